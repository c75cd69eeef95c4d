"""The cluster's tables, as version 1 had them; what came since stands in `versions`.

meta        what there is one of
node        mailhub processes; what a node has leased is its own until `alive_until` (the database's clock) has passed
slot        what a node counts its ids by; `last`: up to this they may have been given
content     prefix, body and tail of queued mail; `refs`: how many queued messages are made of it
body        octets as received, by their key (objects); `refs`: how many contents and messages are made of them. Small ones are in
            `octets`, which no change of the number writes again, large ones an object of that name
doomed      objects that no body names any more, since when. `gone`: below 0, a collector takes it away; above, it has, and nobody names it again
item        a queued message; recipient: one row for each recipient still to be dealt with. `lease`: see nodes; `flow`,
            `urgent`: null where it does not wait
reached     addresses that a queued message needs no more, for aliases that may yet lead there; goes with the item
flow        a sender's mail for a domain, where some of it waits: when its turn to be leased is
account     an account that has folders: `listing` counts the changes of its list of them
folder      a folder and its counters; message: its index rows, narrow; rendered: ENVELOPE and BODYSTRUCTURE, and what stands before and
            behind the body; glimpse: THREADID and PREVIEW, where they were asked for; expunged: tombstones with their mod-sequence
former      ids that POP3 gave of messages at another server
acl, annotation, subscription, url_key, quota: as in store.sqlite
"""

from .schema_small import SMALL

ADDRESS = "varchar(320) character set utf8mb4 collate utf8mb4_bin"  # of an account, a recipient, a sender
LONG = "varchar(512) character set utf8mb4 collate utf8mb4_bin"
TEXT = "mediumtext character set utf8mb4 collate utf8mb4_bin"
ASCII = "character set ascii collate ascii_bin"
_WAITS = "state in (0, 2)"

_QUEUE = (
    "create table content (id bigint not null primary key, body binary(32) not null, size bigint not null, refs int not null,"
    " prefix mediumblob not null, tail mediumblob not null)",
    f"create table body (id binary(32) not null primary key, size bigint not null, refs int not null, object varchar(120) {ASCII})",
    "create table octets (id binary(32) not null primary key, data mediumblob not null)",
    f"create table doomed (object varchar(120) {ASCII} not null primary key, since double not null, key doomed_since (since))",
    f"create table item (id bigint not null primary key, node bigint not null, content bigint not null, sender {LONG} not null,"
    f" created double not null, priority int not null, parameters {TEXT} not null, origin {TEXT} not null, filter {LONG} not null,"
    f" verdict {TEXT} not null, quarantined bigint, settled int not null default 0, key item_quarantined (quarantined))",
    f"create table recipient (item bigint not null, n bigint not null, address {TEXT} not null, orcpt {TEXT}, notify int not null,"
    f" depth int not null, parent bigint, path {TEXT} not null, state tinyint not null, due double not null, attempts int not null,"
    f" code int, enhanced varchar(20), reply {TEXT}, remote {LONG}, warned tinyint not null, domain {LONG} not null,"
    f" sender {LONG} not null, priority int not null, tls {LONG} not null, tried double not null, lease bigint,"
    " flow_id binary(16) not null,"
    f" flow binary(16) generated always as (case when {_WAITS} then flow_id end) stored,"
    f" urgent tinyint generated always as (case when {_WAITS} and priority > 0 then 1 end) stored,"
    " primary key (item, n), key recipient_flow (flow, due, item), key recipient_urgent (urgent, due), key recipient_lease (lease),"
    " key recipient_domain (domain, item), key recipient_state (domain, state))",
    f"create table reached (item bigint not null, address {LONG} not null, primary key (item, address))",
    f"create table flow (id binary(16) not null primary key, domain {LONG} not null, sender {LONG} not null, due double not null,"
    " key flow_due (due))",
)

_MAILBOXES = (
    f"create table account (name {ADDRESS} not null primary key, listing bigint not null, uidvalidity bigint not null)",
    f"create table folder (id bigint not null auto_increment primary key, account {ADDRESS} not null,"
    " name varchar(440) character set utf8mb4 collate utf8mb4_bin not null, uidvalidity bigint not null, uidnext bigint not null,"
    f" modseq bigint not null, messages bigint not null, unseen bigint not null, size bigint not null, keywords {TEXT} not null,"
    " special_use varchar(40) not null, recent_from bigint not null, forgotten bigint not null default 0, graves int not null default 0,"
    " unique key folder_name (account, name), key folder_of_that_name (name(100)))",
    f"create table message (folder bigint not null, uid bigint not null, flags bigint not null, modseq bigint not null,"
    f" date bigint not null, size bigint not null, file varchar(255) {ASCII} not null, moved bigint not null default 0,"
    " body binary(32) not null, primary key (folder, uid), key message_modseq (folder, modseq))",
    "create table rendered (folder bigint not null, uid bigint not null, envelope mediumblob not null, structure mediumblob not null,"
    " head mediumblob not null, tail mediumblob not null, primary key (folder, uid))",
    f"create table glimpse (folder bigint not null, uid bigint not null, thread varchar(100) not null, preview {TEXT} not null,"
    " primary key (folder, uid))",
    "create table expunged (folder bigint not null, modseq bigint not null, uid bigint not null, primary key (folder, modseq, uid))",
    f"create table former (folder bigint not null, uid bigint not null, id varchar(200) {ASCII} not null, primary key (folder, uid))",
    f"create table subscription (account {ADDRESS} not null, name varchar(440) character set utf8mb4 collate utf8mb4_bin not null,"
    " primary key (account, name))",
    f"create table acl (folder bigint not null, identifier {LONG} not null, rights varchar(40) not null,"
    " primary key (folder, identifier), key acl_identifier (identifier))",
    f"create table annotation (holder {ADDRESS} not null, folder bigint not null, private tinyint not null, place binary(16) not null,"
    f" entry {TEXT} not null, value mediumblob not null, primary key (holder, folder, private, place), key annotation_folder (folder))",
    "create table url_key (folder bigint not null primary key, secret varbinary(64) not null)",
    f"create table quota (name {ADDRESS} not null primary key, storage bigint, messages bigint)",
)

_NODES = (
    "create table node (id bigint not null auto_increment primary key, name varchar(255) not null, slot int not null,"
    " started double not null, alive_until double not null, version int not null, unique key node_slot (slot))",
    "create table slot (slot int not null primary key, last bigint not null)",
)

TABLES = (*_NODES, *_QUEUE, *_MAILBOXES, *SMALL)
