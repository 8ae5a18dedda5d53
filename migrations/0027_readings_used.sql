-- What a reading served: each once.
alter table service_attempt add column reading uuid
    constraint service_attempt_reading_once unique references reading;
