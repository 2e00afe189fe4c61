-- What operators ask of a chain beside following it, what was registered late, and what else is followed: exchanges,
-- currencies, and whose money in them counts.

alter table followed_contracts drop constraint followed_contracts_standard_check;
alter table followed_contracts add constraint followed_contracts_standard_check
    check (standard in ('factory', 'ERC721', 'ERC1155', 'exchange', 'ERC20'));

alter table indexer_checkpoints
    -- Below it the chain was not read: it was begun there.
    add column first_block bigint,
    -- The newest blocks that the node called safe and finalized when the checkpoint was written.
    add column safe_block bigint,
    add column finalized_block bigint,
    -- When blocks were last committed; `updated_at` moves with every change of the row.
    add column committed_at timestamptz,
    -- Grows when contracts join that the follower may not know of; a commit under an older number is refused, so that
    -- no block is read without them.
    add column followed_version bigint not null default 0;

-- Parts of a job's messages are numbered from (job << 20) on.
alter table block_batches alter column part type bigint;

-- One piece of work over a range of blocks. The chain's worker does them, one step a commit: `next_block` moves with
-- what the step told, so that a death repeats nothing and leaves nothing out.
create table jobs (
    id bigint generated always as identity,
    chain_id bigint not null,
    kind text not null,
    -- For a backfill: whose logs were missed.
    contract bytea,
    from_block bigint not null,
    to_block bigint not null,
    next_block bigint not null,
    is_dry_run boolean not null default false,
    state text not null default 'QUEUED',
    -- Who asked: a certificate's name and, where there is one, a user; the indexer itself for what was registered late.
    asked_by text not null,
    blocks bigint not null default 0,
    events bigint not null default 0,
    -- What was found, by name; for people.
    found jsonb not null default '{}',
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    updated_at timestamptz not null default now(),
    constraint jobs_pkey primary key (id),
    constraint jobs_kind_check check (kind in ('BACKFILL', 'REPLAY', 'REWIND', 'VERIFY')),
    constraint jobs_state_check check (state in ('QUEUED', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED')),
    constraint jobs_range_check check (from_block >= 0 and to_block >= from_block - 1),
    constraint jobs_contract_check check (octet_length(contract) = 20 and (contract is not null) = (kind = 'BACKFILL')),
    constraint jobs_ended_check check ((ended_at is not null) = (state in ('DONE', 'FAILED', 'CANCELLED')))
);
-- What is to be done next; nearly always empty.
create index jobs_open_idx on jobs (chain_id, id) where state in ('QUEUED', 'RUNNING');
-- Lists, newest first.
create index jobs_chain_idx on jobs (chain_id, id);

-- Whose logs a backfill fetches, and up to which block they were missed: the contract that it was begun for, and, where
-- that is a factory, the collections that it has found since.
create table job_contracts (
    job_id bigint not null,
    chain_id bigint not null,
    address bytea not null,
    to_block bigint not null,
    constraint job_contracts_pkey primary key (job_id, address),
    constraint job_contracts_job_fkey foreign key (job_id) references jobs (id) on delete cascade,
    constraint job_contracts_address_check check (octet_length(address) = 20)
);
-- Whether a collection was fetched before.
create index job_contracts_address_idx on job_contracts (chain_id, address);

-- How often blocks have been canonical that left the window otherwise than once and standing: if one is read again, by
-- a replay or after a rewind, it must not be told in a generation that its consumers have seen taken back.
create table old_generations (
    chain_id bigint not null,
    hash bytea not null,
    generation integer not null,
    constraint old_generations_pkey primary key (chain_id, hash),
    constraint old_generations_hash_check check (octet_length(hash) = 32)
);

-- Whose balances and allowances in a currency are told: makers of offers.
create table followed_payers (
    chain_id bigint not null,
    token bytea not null,
    account bytea not null,
    followed_at timestamptz not null default now(),
    constraint followed_payers_pkey primary key (chain_id, token, account),
    constraint followed_payers_keys_check check (octet_length(token) = 20 and octet_length(account) = 20)
);
