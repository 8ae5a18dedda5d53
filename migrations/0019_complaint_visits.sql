-- What is asked at one visit beside its checklist: items after the shape of the checklist's own.
alter table visit add column extra_items jsonb not null default '[]';

-- Under which licence of the site a complaint's subject operates, where an officer knows.
alter table complaint add column licence uuid constraint complaint_licence references licence;
create index complaint_licence_on on complaint (licence) where licence is not null;

-- Near in place and time at once: beside the metres of `earth` a day counts as ten metres.
create function complaint_moment(at timestamptz) returns double precision
    language sql immutable parallel safe as
    $$ select extract(epoch from at at time zone 'UTC')::double precision / 8640 $$;
create index complaint_place_time on complaint
    using gist (cube(earth, complaint_moment(received_at))) where earth is not null;
grant execute on function complaint_moment to superapp_app;
