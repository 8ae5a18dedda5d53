-- A device tells what changes: a reader that stays where it is was last seen when its device was
-- last heard, and one that was unplugged, when that was told.
create or replace view reader_seen as
    select r.serial_key, r.serial, r.bridge, b.office, b.software as version,
        case when r.seen then greatest(r.last_seen_at, b.last_seen_at) else r.last_seen_at end
            as last_seen_at,
        r.id as reader
    from bridge_reader r join bridge b on b.id = r.bridge
    where r.serial_key is not null and r.serial_key <> '';

-- A reading's keyed hashes under index keys that were active within four hours of it, beside the
-- one under the key that is active: cards are recognised across a rotation.
alter table reading add column cid_before bytea[] not null default '{}';
alter table reading add column chip_before bytea[] not null default '{}';

-- What a list said of a letter's line, as `reader_asset.listed` for readers.
alter table reader_request add column listed bytea;
