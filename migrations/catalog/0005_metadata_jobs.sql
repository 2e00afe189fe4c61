-- What is to be asked of media: one row for each token and each collection, with the id of that row.
create table metadata_jobs (
    id uuid not null,
    kind text not null,
    collection_id uuid not null,
    token_number numeric(78, 0),
    state text not null default 'DUE',
    attempts integer not null default 0,
    last_error_class text,
    next_try_at timestamptz not null default now(),
    claimed_until timestamptz,
    -- A request that comes while the answer to an older one is on its way is not lost: the times differ.
    requested_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint metadata_jobs_pkey primary key (id),
    constraint metadata_jobs_collection_fkey foreign key (collection_id) references collections (id) on delete cascade,
    constraint metadata_jobs_kind_check check (kind in ('collection', 'token')),
    constraint metadata_jobs_state_check check (state in ('DUE', 'DONE', 'GAVE_UP'))
);
-- The worker looks only at what is due.
create index metadata_jobs_due_idx on metadata_jobs (next_try_at) where state = 'DUE';
-- ERC-4906 names a range.
create index metadata_jobs_range_idx on metadata_jobs (collection_id, token_number) where kind = 'token';

-- How far syncs with sources outside the chain have come.
create table sync_state (
    source text not null,
    cursor text not null,
    updated_at timestamptz not null default now(),
    constraint sync_state_pkey primary key (source)
);
