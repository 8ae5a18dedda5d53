-- Since when the company that a document concerns may read it: of an order, from its service on.

create table document_shown (
    document uuid constraint document_shown_pkey primary key references document,
    shown_at timestamptz not null
);
insert into document_shown (document, shown_at) select id, issued_at from document;

grant select, insert on document_shown to superapp_app;
