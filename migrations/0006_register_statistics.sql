-- What no statement filters, joins or orders by needs no statistics: the wide texts of a register of
-- a quarter of a million rows made up most of what `analyze` worked on, after each import.

alter table premises
    alter name set statistics 0, alter address set statistics 0, alter lat set statistics 0,
    alter lng set statistics 0, alter position_source set statistics 0,
    alter version set statistics 0, alter created_at set statistics 0;
alter table licence
    alter number_shown set statistics 0, alter other_categories set statistics 0,
    alter hp set statistics 0, alter workers set statistics 0, alter name set statistics 0,
    alter operator_name set statistics 0, alter operator_kind set statistics 0,
    alter isic set statistics 0, alter estate set statistics 0, alter feed_hash set statistics 0,
    alter version set statistics 0, alter created_at set statistics 0;
