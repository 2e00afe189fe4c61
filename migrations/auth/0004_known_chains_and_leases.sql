-- The chains that the registry last called enabled: an auth that starts while the registry is away lets people in on them.
create table known_chains (
    chain_id varchar(32) constraint known_chains_pkey primary key
);

-- What one process does at a time, until when. No connection is held for it.
create table leases (
    what varchar(64) constraint leases_pkey primary key,
    held_until timestamptz not null
);

-- When a contract was last asked, also in vain: whoever gave no answer waits behind the others.
alter table session_proofs add column asked_at timestamptz not null default now();

-- The sweep deletes a session's tokens from the newest on, so that no deletion draws others behind it.
create index refresh_tokens_session_id_created_at_idx on refresh_tokens (session_id, created_at);
drop index refresh_tokens_session_id_idx;
