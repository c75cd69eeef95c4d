"""Tables beside queue and mailboxes: who there is, and what is remembered.

directory_*  accounts, aliases, domains and who administers them; app_password, second_factor, passkey: what opens accounts. `changes`
             of an account grows with each of them, so that two nodes that change one account meet
turn         a name for whatever has a bound of its own, and how often something of it was changed: two nodes that change it meet there
note         small durable notes
dkim_key     keys that sign our mail; api_token: what programs show to the HTTP interface; browser: those that are signed in
dmarc_count, tls_session  what was found, for the reports to others; `id`: digest of what is counted alike
sts_policy   MTA-STS policies of other domains
history      figures of each node (by slot), by the minute and by the hour; history_delay: recipients sent, by how long they took
webhook_event  what waits until programs of others have taken it
ban, sent, wrote_to, greylist  as in store.sqlite
sieve_script, sieve_mark  scripts, and what they remember; `id`: digest of a mark's key
suppression  of addresses that refused mail for good, or that the operator named
junk_*       what the junk filter was taught; an owner's sums are spread over rows (`part`), which nodes seldom share

Names are octets: to utf8mb4_bin a name is the same with a space behind it, on MariaDB as on MySQL.
"""

ADDRESS = "varbinary(1280)"  # 320 characters; a key has 3,072 octets at most
NAME = "varbinary(1200)"
LONG = "varbinary(2048)"
WORD = "varbinary(255)"
TEXT = "mediumtext character set utf8mb4 collate utf8mb4_bin"

SMALL: tuple[str, ...] = (
    f"create table directory_account (name {ADDRESS} not null primary key, password {TEXT} not null, enabled tinyint not null,"
    " changes bigint not null default 0)",
    f"create table directory_alias (address {ADDRESS} not null primary key, targets {TEXT} not null, sole binary(32),"
    " key directory_alias_sole (sole, address))",
    f"create table directory_domain (name {ADDRESS} not null primary key)",
    f"create table directory_admin (domain {ADDRESS} not null, account {ADDRESS} not null, primary key (domain, account),"
    " key directory_admin_account (account))",
    f"create table app_password (account {ADDRESS} not null, name {NAME} not null, digest {WORD} not null,"
    f" services {TEXT} not null, created double not null, used double not null, client {TEXT} not null,"
    " primary key (account, name), key app_password_digest (digest))",
    f"create table second_factor (account {ADDRESS} not null primary key, secret {TEXT} not null, confirmed tinyint not null,"
    f" counter bigint not null, recovery {TEXT} not null)",
    f"create table passkey (id varbinary(2000) not null primary key, account {ADDRESS} not null, public_key mediumblob not null,"
    f" counter bigint not null, name {TEXT} not null, created double not null, used double not null, key passkey_account (account))",
    "create table turn (name varbinary(1500) not null primary key, changes bigint not null)",
    f"create table note (name {LONG} not null primary key, value {TEXT} not null)",
    f"create table dkim_key (domain {ADDRESS} not null, selector {WORD} not null, kind {WORD} not null,"
    f" pem mediumblob not null, state {WORD} not null, since double not null, primary key (domain, selector))",
    f"create table api_token (name {NAME} not null primary key, digest {WORD} not null, scopes {TEXT} not null,"
    f" created double not null, expires double not null, used double not null, client {TEXT} not null,"
    " unique key api_token_digest (digest))",
    f"create table browser (n bigint not null auto_increment primary key, digest {WORD} not null, id {WORD} not null,"
    f" account {ADDRESS} not null, stamp {WORD} not null, created double not null, used double not null, confirmed double not null,"
    f" client {TEXT} not null, agent {TEXT} not null, unique key browser_digest (digest), key browser_account (account, used),"
    " key browser_used (used))",
    f"create table dmarc_count (day int not null, id binary(32) not null, domain {LONG} not null, found {TEXT} not null,"
    " messages bigint not null, primary key (day, id), key dmarc_count_domain (day, domain))",
    f"create table sts_policy (domain {LONG} not null primary key, id {TEXT} not null, text {TEXT} not null, fetched double not null,"
    " expires double not null, key sts_policy_fetched (fetched))",
    f"create table tls_session (day int not null, id binary(32) not null, domain {LONG} not null, kind {TEXT} not null,"
    f" policy {TEXT} not null, result {TEXT} not null, source {TEXT} not null, host {TEXT} not null, address {TEXT} not null,"
    f" detail {TEXT} not null, sessions bigint not null, primary key (day, id), key tls_session_domain (day, domain))",
    "create table history (step int not null, at bigint not null, node int not null, accepted bigint not null, refused bigint not null,"
    " sent bigint not null, deferred bigint not null, bounced bigint not null, delay double not null, queued bigint not null,"
    " oldest double not null, sessions bigint not null, memory bigint not null, lagged double not null, primary key (step, at, node))",
    "create table history_delay (step int not null, at bigint not null, node int not null, span int not null,"
    " recipients bigint not null, primary key (step, at, node, span))",
    f"create table webhook_event (id bigint not null auto_increment primary key, hook {ADDRESS} not null, event {WORD} not null,"
    f" at double not null, due double not null, attempts int not null default 0, said {TEXT} not null, body mediumblob not null,"
    " unique key webhook_event_once (hook, event), key webhook_event_due (hook, due, id), key webhook_event_age (hook, id))",
    f"create table ban (network {WORD} not null primary key, cause {TEXT} not null, since double not null,"
    f" until double not null, strikes int not null, note {TEXT} not null, key ban_since (since))",
    f"create table sent (account {ADDRESS} not null, day int not null, messages bigint not null, fresh bigint not null,"
    " primary key (account, day))",
    f"create table wrote_to (account {ADDRESS} not null, recipient varbinary(64) not null, day int not null,"
    " primary key (account, recipient), key wrote_to_day (account, day))",
    "create table greylist (digest varbinary(64) not null primary key, first double not null, passes int not null,"
    " until double not null, key greylist_until (until))",
    f"create table sieve_script (account {ADDRESS} not null, name {NAME} not null, text mediumblob not null, active tinyint not null,"
    " primary key (account, name))",
    f"create table sieve_mark (account {ADDRESS} not null, id binary(32) not null, name {TEXT} not null, until double not null,"
    " primary key (account, id), key sieve_mark_until (account, until))",
    f"create table suppression (address {LONG} not null primary key, source {WORD} not null, until double,"
    f" last double not null, history {TEXT} not null, note {TEXT} not null, key suppression_last (source, last))",
    f"create table junk_owner (id bigint not null auto_increment primary key, name {ADDRESS} not null, unique key junk_owner_name (name))",
    "create table junk_sum (owner bigint not null, part int not null, junk bigint not null, good bigint not null, lessons bigint not null,"
    " primary key (owner, part))",
    "create table junk_token (owner bigint not null, token bigint not null, junk bigint not null, good bigint not null, day int not null,"
    " primary key (owner, token), key junk_token_day (owner, day))",
    "create table junk_taught (owner bigint not null, message bigint not null, junk tinyint not null, day int not null,"
    " primary key (owner, message), key junk_taught_day (owner, day))",
)
