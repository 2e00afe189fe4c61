-- A token. A row whose events a reorganisation took back stays (`is_removed`): its revision must go on growing if the
-- token comes back.
create table tokens (
    id uuid not null,
    collection_id uuid not null,
    chain_id bigint not null,
    contract_address bytea not null,
    token_number numeric(78, 0) not null,
    token_standard text not null,
    name text,
    description text,
    image_url text,
    metadata_url text,
    metadata_status text not null default 'PENDING',
    metadata_json jsonb,
    -- The owner of an ERC-721 that is not burned; those of an ERC-1155 are in token_balances.
    owner_address bytea,
    -- Signed and unbounded: a burn may be known before its mint, and a sum of amounts may pass 2^256.
    supply numeric not null default 0,
    burned boolean not null default false,
    minted_at timestamptz,
    is_removed boolean not null default false,
    revision bigint not null default 0,
    changed_block_number bigint not null,
    changed_block_hash bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint tokens_pkey primary key (id),
    constraint tokens_collection_fkey foreign key (collection_id) references collections (id),
    constraint tokens_number_check check (token_number >= 0 and token_number < 2::numeric ^ 256),
    constraint tokens_standard_check check (token_standard in ('ERC721', 'ERC1155')),
    constraint tokens_metadata_status_check check (metadata_status in ('PENDING', 'READY', 'FAILED')),
    constraint tokens_contract_check check (octet_length(contract_address) = 20)
);
-- Pages of a collection by number; a token by its number.
create unique index tokens_number_key on tokens (collection_id, token_number);
-- Pages of an owner.
create index tokens_owner_idx on tokens (owner_address, collection_id, token_number) where owner_address is not null;

-- Who has how many of an ERC-1155 token. Negative between events that came out of order: reads hide what is not positive.
-- No upper bound for the same reason.
create table token_balances (
    token_row_id uuid not null,
    owner bytea not null,
    chain_id bigint not null,
    contract bytea not null,
    token_id numeric(78, 0) not null,
    collection_id uuid not null,
    quantity numeric not null,
    updated_at timestamptz not null default now(),
    constraint token_balances_pkey primary key (token_row_id, owner),
    constraint token_balances_token_fkey foreign key (token_row_id) references tokens (id)
);
create index token_balances_owner_idx on token_balances (owner, collection_id, token_id) where quantity > 0;

-- How many items of a collection an account has, over all tokens of both standards: from it come the list and the
-- number of a collection's owners, without a scan of its tokens.
create table collection_owners (
    collection_id uuid not null,
    owner bytea not null,
    quantity numeric not null,
    constraint collection_owners_pkey primary key (collection_id, owner),
    constraint collection_owners_collection_fkey foreign key (collection_id) references collections (id) on delete cascade
);

-- Every change of ownership that stands.
create view ownership_transfers as
select id, chain_id, contract, token_id, from_address as from_addr, to_address as to_addr, quantity, tx_hash, log_index,
    batch_index, block_number, block_hash, block_time as occurred_at, collection_id, token_row_id
from chain_ledger
where stands and kind in ('minted', 'transferred', 'burned');

-- What happened, as pages list it. What the market adds joins here.
create view activities as
select id, token_row_id as token_id,
    case kind when 'created' then 'COLLECTION_CREATED' when 'minted' then 'MINT' when 'transferred' then 'TRANSFER'
        else 'BURN' end as type,
    from_address, to_address, quantity, null::numeric as price_native, null::text as currency_symbol, tx_hash,
    block_time as "timestamp", collection_id, chain_id, block_number, block_hash, log_index, batch_index
from chain_ledger
where stands and kind in ('created', 'minted', 'transferred', 'burned');
