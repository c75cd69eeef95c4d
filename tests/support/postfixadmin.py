"""PostfixAdmin's and ExtMail's tables as their documentation has them, with a few people in them."""

POSTFIXADMIN = r"""
create database postfix character set latin1; use postfix;
create table domain (domain varchar(255) not null, description varchar(255) not null default '', aliases int not null default 0,
  mailboxes int not null default 0, maxquota bigint not null default 0, quota bigint not null default 0,
  transport varchar(255) not null default '', backupmx tinyint(1) not null default 0,
  created datetime not null default '2000-01-01 00:00:00', modified datetime not null default '2000-01-01 00:00:00',
  active tinyint(1) not null default 1, password_expiry int default 0, primary key (domain));
create table mailbox (username varchar(255) not null, password varchar(255), name varchar(255) character set utf8 not null default '',
  maildir varchar(255) not null default '', quota bigint not null default 0, local_part varchar(255) not null default '',
  domain varchar(255) not null, created datetime not null default '2000-01-01 00:00:00',
  modified datetime not null default '2000-01-01 00:00:00', active tinyint(1) not null default 1,
  phone varchar(30) character set utf8 not null default '', email_other varchar(255) character set utf8 not null default '',
  token varchar(255) character set utf8 not null default '', primary key (username), key domain (domain));
create table alias (address varchar(255) not null, goto text, domain varchar(255) not null,
  created datetime not null default '2000-01-01 00:00:00', modified datetime not null default '2000-01-01 00:00:00',
  active tinyint(1) not null default 1, primary key (address), key domain (domain));
create table alias_domain (alias_domain varchar(255) not null, target_domain varchar(255) not null,
  created datetime not null default '2000-01-01 00:00:00', modified datetime not null default '2000-01-01 00:00:00',
  active tinyint(1) not null default 1, primary key (alias_domain));
insert into domain (domain, active, backupmx) values ('ALL',1,0), ('a.test',1,0), ('b.test',1,0), ('alias.test',1,0), ('off.test',0,0),
  ('backup.test',1,1);
insert into mailbox (username, password, domain, active) values
  ('ann@a.test', '{PLAIN}an easy password', 'a.test', 1),
  ('bob@a.test', '$1$wuZzyBsr$DRla7mqygqknWlNUMUF2m.', 'a.test', 1),
  ('Cara@A.test', '{SHA256-CRYPT}$5$rounds=1000$saltsalt$k.JLsSZKLe7Wu1wyOKZ3SgBegSWvPPqctRZJUrKF1FA', 'a.test', 1),
  ('gone@a.test', '{PLAIN}an easy password', 'a.test', 0), ('null@a.test', null, 'a.test', 1),
  ('x@off.test', '{PLAIN}an easy password', 'off.test', 1), ('o''hara@a.test', '{PLAIN}an easy password', 'a.test', 1);
insert into alias (address, goto, domain, active) values
  ('ann@a.test', 'ann@a.test', 'a.test', 1), ('bob@a.test', 'bob@a.test', 'a.test', 1),
  ('team@a.test', 'ann@a.test, bob@a.test,ann@a.test', 'a.test', 1), ('old@a.test', 'ann@a.test', 'a.test', 0),
  ('nothing@a.test', null, 'a.test', 1), ('@b.test', 'bob@a.test', 'b.test', 1), ('pipe@a.test', '|/bin/true', 'a.test', 1);
insert into alias_domain (alias_domain, target_domain, active) values ('alias.test', 'a.test', 1), ('dead.test', 'a.test', 0);
create table admin (username varchar(255) not null, password varchar(255) not null default '', superadmin tinyint(1) not null default 0,
  created datetime not null default '2000-01-01 00:00:00', modified datetime not null default '2000-01-01 00:00:00',
  active tinyint(1) not null default 1, primary key (username));
create table domain_admins (username varchar(255) not null, domain varchar(255) not null,
  created datetime not null default '2000-01-01 00:00:00', active tinyint(1) not null default 1, key username (username));
insert into admin (username, superadmin, active) values ('bob@a.test', 0, 1), ('root@elsewhere.test', 1, 1), ('cara@a.test', 0, 1),
  ('old@elsewhere.test', 0, 1), ('gone@a.test', 0, 1), ('off@a.test', 1, 0);
insert into domain_admins (username, domain, active) values ('bob@a.test', 'A.test', 1), ('bob@a.test', 'b.test', 0),
  ('Cara@a.test', 'b.test', 1), ('old@elsewhere.test', 'ALL', 1), ('gone@a.test', 'a.test', 1), ('off@a.test', 'a.test', 1),
  ('nobody@a.test', 'a.test', 1);
create user 'mail'@'127.0.0.1' identified by 'pa ss'; grant select on postfix.* to 'mail'@'127.0.0.1';
"""

EXTMAIL = r"""
create database extmail; use extmail;
create table domain (domain varchar(255) not null primary key, maxusers int(10) not null default 0, transport varchar(255),
  can_signup tinyint(1) not null default 0, expiredate date, active tinyint(1) not null default 1);
create table mailbox (username varchar(255) not null primary key, uid varchar(255) not null default '',
  password varchar(255) not null default '', clearpwd varchar(128) not null default '', maildir varchar(255) not null default '',
  quota varchar(255) not null default '20971520S', domain varchar(255) not null, active tinyint(1) not null default 1);
create table alias (address varchar(255) not null primary key, goto text not null, domain varchar(255) not null,
  active tinyint(1) not null default 1);
insert into domain (domain, active) values ('a.test', 1), ('off.test', 0);
insert into mailbox (username, password, domain, active) values ('ann@a.test', '$1$wuZzyBsr$DRla7mqygqknWlNUMUF2m.', 'a.test', 1),
  ('gone@a.test', '', 'a.test', 0);
insert into alias (address, goto, domain) values ('team@a.test', 'ann@a.test', 'a.test');
create table manager (username varchar(255) not null primary key, password varchar(255) not null default '',
  type varchar(64) not null default 'postmaster', active tinyint(1) not null default 1);
create table domain_manager (username varchar(255) not null, domain varchar(255) not null, active tinyint(1) not null default 1);
insert into manager (username, type) values ('root@extmail.org', 'admin'), ('ann@a.test', 'postmaster');
insert into domain_manager (username, domain) values ('ann@a.test', 'a.test');
create user 'ext'@'127.0.0.1' identified by 'pa ss'; grant select on extmail.* to 'ext'@'127.0.0.1';
"""
