-- Which order took the place of another, so that what it took can be given back.

alter table legal_order add column superseded_by uuid
    constraint legal_order_superseded_by references legal_order;
create index legal_order_superseded_by_on on legal_order (superseded_by)
    where superseded_by is not null;

update legal_order o set superseded_by = n.id from legal_order n
where o.state = 'superseded'
    and ((n.corrects = o.id and o.ended_why = 'superseded by ' || n.id::text)
        or (n.follows = o.id and n.kind = 'close' and o.ended_why = 'close ' || n.number));
