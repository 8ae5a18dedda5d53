-- A rule that names a local body leads there only while that body is appointed for such a factory
-- (s.11/1), as one that names the kind of office.
create or replace function complaint_office(
    of_province text, of_category text, estate boolean, class smallint, urgent boolean, today date
) returns uuid language sql stable as $$
    select found.id
    from complaint_route r
    cross join lateral (
        select o.id from office o
        where case when r.to_office is not null then o.id = r.to_office
            else o.kind = r.to_kind
                and (o.kind in ('diw', 'ieat', 'ministry') or exists (
                    select from office_province p
                    where p.office = o.id and p.province = of_province)) end
            and (o.kind <> 'local' or exists (
                select from local_appointment a
                where a.office = o.id and a.province = of_province and class = any (a.classes)
                    and today >= a.valid_from
                    and today <= coalesce(a.valid_to, 'infinity'::date)))
        order by o.code limit 1
    ) found
    where (r.province is null or r.province = of_province)
        and (r.category is null or r.category = of_category)
        and (r.in_estate is null or r.in_estate = estate)
        and (r.classes is null or class = any (r.classes))
        and (r.emergency is null or r.emergency = urgent)
    order by r.priority, r.id limit 1
$$;
