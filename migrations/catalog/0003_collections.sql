-- A collection, from the moment that somebody prepares it (PENDING, seen by its creator only) or that the chain tells
-- of it (LIVE). HIDDEN is a contract of which only tokens are known so far, or which a reorganisation took back.
-- Whoever changes anything of a collection (tokens, balances, figures) holds the lock of its row.
create table collections (
    id uuid not null,
    slug text not null,
    name text not null default '',
    symbol text,
    description text,
    chain_id bigint not null,
    contract_address bytea not null,
    creator bytea,
    owner bytea,
    collection_type text not null,
    status text not null,
    max_supply numeric(78, 0),
    -- A sum over the tokens; an ERC-1155 supply can be negative while events are out of order.
    total_supply numeric not null default 0,
    royalty_percentage integer not null default 0,
    royalty_recipient bytea,
    mint_price numeric(78, 0),
    floor_price numeric(78, 0),
    volume_traded numeric not null default 0,
    is_verified boolean not null default false,
    is_paused boolean not null default false,
    metadata_url text,
    metadata_status text not null default 'PENDING',
    metadata_json jsonb,
    image_url text,
    -- Who prepared it, until the intent ends.
    pending_intent_id uuid,
    revision bigint not null default 0,
    changed_block_number bigint not null default 0,
    changed_block_hash bytea,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint collections_pkey primary key (id),
    constraint collections_slug_key unique (slug),
    constraint collections_contract_key unique (chain_id, contract_address),
    constraint collections_contract_check check (octet_length(contract_address) = 20),
    constraint collections_type_check check (collection_type in ('ERC721', 'ERC1155')),
    constraint collections_status_check check (status in ('PENDING', 'LIVE', 'FAILED', 'HIDDEN')),
    constraint collections_metadata_status_check check (metadata_status in ('PENDING', 'READY', 'FAILED')),
    constraint collections_max_supply_check check (max_supply >= 0 and max_supply < 2::numeric ^ 256),
    constraint collections_mint_price_check check (mint_price >= 0 and mint_price < 2::numeric ^ 256)
);
create index collections_newest_idx on collections (created_at, id) where status = 'LIVE';
create index collections_creator_idx on collections (creator, created_at, id);
create index collections_pending_idx on collections (pending_intent_id) where pending_intent_id is not null;

-- The contract that a collection lives in, as its creation told.
create table collection_bindings (
    collection_id uuid not null,
    chain_id bigint not null,
    contract_address bytea not null,
    factory bytea not null,
    implementation bytea,
    salt bytea,
    created_tx bytea not null,
    created_block_number bigint not null,
    created_block_hash bytea not null,
    constraint collection_bindings_pkey primary key (collection_id),
    constraint collection_bindings_contract_key unique (chain_id, contract_address),
    constraint collection_bindings_collection_fkey foreign key (collection_id) references collections (id) on delete cascade
);

-- Who may do what in a collection's contract (AccessControl). A role that is not held has no row.
create table collection_roles (
    collection_id uuid not null,
    role bytea not null,
    account bytea not null,
    granted_at timestamptz not null,
    constraint collection_roles_pkey primary key (collection_id, role, account),
    constraint collection_roles_collection_fkey foreign key (collection_id) references collections (id) on delete cascade
);
create index collection_roles_account_idx on collection_roles (account);

-- The stages in which a collection can be minted; what the chain has not told is null.
create table collection_mint_config (
    collection_id uuid not null,
    stage bigint not null,
    kind text,
    price numeric(78, 0) not null,
    starts_at timestamptz,
    ends_at timestamptz,
    wallet_limit numeric(78, 0),
    merkle_root bytea,
    updated_block_number bigint not null,
    constraint collection_mint_config_pkey primary key (collection_id, stage),
    constraint collection_mint_config_collection_fkey foreign key (collection_id) references collections (id) on delete cascade,
    constraint collection_mint_config_price_check check (price >= 0 and price < 2::numeric ^ 256)
);

-- The figures of a collection. Prices join them with the market.
create table collection_stats (
    collection_id uuid not null,
    items_count bigint not null default 0,
    owners_count bigint not null default 0,
    listed_count bigint not null default 0,
    floor_price_native numeric(78, 0),
    updated_at timestamptz not null default now(),
    constraint collection_stats_pkey primary key (collection_id),
    constraint collection_stats_collection_fkey foreign key (collection_id) references collections (id) on delete cascade
);
