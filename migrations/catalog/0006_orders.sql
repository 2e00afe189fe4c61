-- Where orders come from.
create table marketplaces (
    id uuid not null,
    name text not null,
    created_at timestamptz not null default now(),
    constraint marketplaces_pkey primary key (id),
    constraint marketplaces_name_key unique (name)
);

-- A signed order of an exchange. What was signed never changes; how far it is filled and whether it still can be does.
-- That an order's time is over is not written: reads say EXPIRED from `ends_at` on.
create table orders (
    id uuid not null,
    chain_id bigint not null,
    exchange bytea not null,
    order_hash bytea not null,
    marketplace_id uuid not null,
    side text not null,
    status text not null,
    maker bytea not null,
    -- Null: anybody.
    taker bytea,
    contract bytea not null,
    -- The row that the contract has or will have among the collections: an order may be told before its collection is.
    collection_id uuid not null,
    -- Null: any token of the contract.
    token_number numeric(78, 0),
    token_standard text not null,
    quantity numeric(78, 0) not null,
    quantity_filled numeric(78, 0) not null default 0,
    -- The height of the block that `status` and `quantity_filled` were read at; 0: of no block, as it was signed.
    as_of_block bigint not null default 0,
    -- For the whole quantity, in the smallest unit of the currency.
    price_native numeric(78, 0) not null,
    -- An ERC-20; null: the native currency.
    currency bytea,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    -- What was signed, as EIP-712 names it, and the signature.
    components jsonb not null,
    salt numeric(78, 0),
    signature bytea not null,
    revision bigint not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint orders_pkey primary key (id),
    constraint orders_hash_key unique (chain_id, exchange, order_hash),
    constraint orders_marketplace_fkey foreign key (marketplace_id) references marketplaces (id),
    constraint orders_side_check check (side in ('LISTING', 'OFFER')),
    constraint orders_status_check check (status in ('ACTIVE', 'INACTIVE', 'FILLED', 'CANCELLED')),
    constraint orders_standard_check check (token_standard in ('ERC721', 'ERC1155')),
    constraint orders_keys_check check (octet_length(exchange) = 20 and octet_length(order_hash) = 32
        and octet_length(maker) = 20 and octet_length(taker) = 20 and octet_length(contract) = 20
        and octet_length(currency) = 20),
    constraint orders_token_number_check check (token_number >= 0 and token_number < 2::numeric ^ 256),
    constraint orders_quantity_check check (quantity >= 1 and quantity < 2::numeric ^ 256),
    constraint orders_filled_check check (quantity_filled >= 0 and quantity_filled <= quantity),
    constraint orders_price_check check (price_native >= 0 and price_native < 2::numeric ^ 256),
    constraint orders_salt_check check (salt >= 0 and salt < 2::numeric ^ 256),
    constraint orders_as_of_block_check check (as_of_block >= 0),
    constraint orders_time_check check (ends_at > starts_at)
);
-- Lists, newest first: of everything, of a maker, of a contract, of a token.
create index orders_newest_idx on orders (created_at, id);
create index orders_maker_idx on orders (maker, created_at, id);
create index orders_contract_idx on orders (chain_id, contract, created_at, id);
create index orders_token_idx on orders (chain_id, contract, token_number, created_at, id)
    where token_number is not null;
-- The cheapest listing and the highest offer of a token or of a collection, among those that can be filled.
create index orders_price_idx on orders (chain_id, contract, token_number, side, price_native) where status = 'ACTIVE';
