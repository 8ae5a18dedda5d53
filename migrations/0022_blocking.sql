-- A network is blocked apart from account and device, and for a day at most: many people stand
-- behind one address.
alter table complainant add column network bytea; -- keyed index
comment on column complainant.senders is 'keyed indexes of account and device: to block them';
update complainant p set network = p.senders[1], senders = p.senders[2:]
from complaint c
where c.id = p.complaint and p.kind = 'reporter' and c.channel = 'app' and cardinality(p.senders) > 0;
update complaint_block b set until = least(b.until, b.created_at + interval '24 hours')
from complainant p where p.network = b.sender;

-- Clocks of categories are bounded, in one unit each; those that are not fall back on the settings.
create function pg_temp.unbounded(content jsonb) returns boolean language sql as $$
    select jsonb_path_exists(content, '$.clocks.*.* ? (!(
        (@.working_days >= 0 && @.working_days <= 366
            && !(@.days.type() == "number") && !(@.hours.type() == "number"))
        || (@.days >= 1 && @.days <= 3660
            && !(@.working_days.type() == "number") && !(@.hours.type() == "number"))
        || (@.hours >= 1 && @.hours <= 8784
            && !(@.working_days.type() == "number") && !(@.days.type() == "number"))))')
$$;
update complaint_category set content = content - 'clocks' where pg_temp.unbounded(content);
update complaint_category_version set content = content - 'clocks' where pg_temp.unbounded(content);
drop function pg_temp.unbounded;
