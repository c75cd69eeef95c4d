"""The files of a host with Postfix, Dovecot and PostfixAdmin, as people have them."""

MAIN = r"""# See /usr/share/postfix/main.cf.dist
compatibility_level = 3.6
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
myhostname = mail.example.org
mydomain = example.org
myorigin = /etc/mailname
mydestination = $myhostname, localhost.$mydomain,
    localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
  192.0.2.0/24
alias_maps = hash:/etc/aliases
alias_database = $alias_maps
recipient_delimiter = +
message_size_limit = 20480000
inet_interfaces = all
inet_protocols = ipv4
virtual_mailbox_domains = proxy:mysql:/etc/postfix/sql/domains.cf
virtual_mailbox_maps = proxy:mysql:/etc/postfix/sql/mailboxes.cf
virtual_alias_maps = proxy:mysql:/etc/postfix/sql/aliases.cf, hash:/etc/postfix/virtual
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_tls_cert_file = /etc/ssl/certs/mail.pem
smtpd_tls_key_file=/etc/ssl/private/mail.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtp_tls_security_level = ${smtpd_tls_security_level?{dane}:{none}}
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes
my_checks = check_sender_access hash:/etc/postfix/senders
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
  reject_rbl_client zen.spamhaus.org, check_policy_service inet:127.0.0.1:10023,
  $my_checks
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
maximal_queue_lifetime = 3d
bounce_queue_lifetime = 1
delay_warning_time = 4h
minimal_backoff_time = 5m
maximal_backoff_time = 1h
smtpd_milters = inet:127.0.0.1:8891
header_checks = regexp:/etc/postfix/headers
always_bcc = archive@example.org
smtp_generic_maps = ldap:/etc/postfix/generic
transport_maps = ldap:/etc/postfix/transport
default_privs = nobody
"""
MASTER = r"""
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
  -o { smtpd_recipient_limit = 200 }
smtps     inet  n       -       y       -       -       smtpd
  -o smtpd_tls_wrappermode=yes
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
slow      unix  -       -       y       -       5       smtp
"""
DOVECOT = r"""
protocols = imap pop3 lmtp sieve
!include_try conf.d/*.conf
mail_location = maildir:/var/vmail/%d/%n
mail_uid = vmail
mail_gid = vmail
disable_plaintext_auth = yes
auth_mechanisms = plain login
ssl = required
ssl_cert = </etc/ssl/certs/mail.pem
ssl_key = </etc/ssl/private/mail.key  # the key
ssl_min_protocol = TLSv1.2
passdb {
  driver = sql
  args = sql.conf
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%d/%n
}
service imap-login {
  inet_listener imap {
    port = 10143
  }
  inet_listener imaps {
    port = 0
  }
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    special_use = \Sent
  }
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=1G
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_before = /etc/dovecot/before.sieve
  zlib_save = gz
}
"""
SQL = r"""
driver = mysql
connect = host=127.0.0.1 port=3307 dbname=postfix user=mail password=secret
default_pass_scheme = SHA512-CRYPT
password_query = SELECT username AS user, password \
  FROM mailbox WHERE username = '%u' AND active = '1'
user_query = SELECT maildir FROM mailbox WHERE username = '%u'
"""
