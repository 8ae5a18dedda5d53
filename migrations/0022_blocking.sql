-- A network is blocked apart from account and device, and for a day at most: many people stand
-- behind one address.
alter table complainant add column network bytea; -- keyed index
comment on column complainant.senders is 'keyed indexes of account and device: to block them';
update complainant p set network = p.senders[1], senders = p.senders[2:]
from complaint c
where c.id = p.complaint and p.kind = 'reporter' and c.channel = 'app' and cardinality(p.senders) > 0;
update complaint_block b set until = least(b.until, b.created_at + interval '24 hours')
from complainant p where p.network = b.sender;
