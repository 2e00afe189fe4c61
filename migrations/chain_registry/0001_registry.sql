-- What a chain is. The integer keys are the documents'; every wire speaks CAIP-2.
create table chains (
    id integer generated always as identity primary key,
    caip2 text not null,
    chain_numeric bigint not null,
    name text not null,
    native_symbol text not null,
    decimals integer not null,
    explorer_url text,
    enabled boolean not null,
    confirmations integer not null,
    reorg_depth integer not null,
    features_json jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint chains_caip2_key unique (caip2),
    constraint chains_chain_numeric_key unique (chain_numeric),
    constraint chains_caip2_check check (caip2 = 'eip155:' || chain_numeric),
    constraint chains_decimals_check check (decimals between 0 and 36),
    constraint chains_confirmations_check check (confirmations between 1 and 100000),
    constraint chains_reorg_depth_check check (reorg_depth between 1 and 100000)
);

-- Where a chain answers. The URL may hold a key: it leaves to services that dial, and to nobody else.
create table chain_endpoints (
    id integer generated always as identity primary key,
    chain_id integer not null,
    url text not null,
    priority integer not null,
    weight integer not null,
    auth_type text not null,
    rate_limit integer not null,
    active boolean not null,
    created_at timestamptz not null default now(),
    constraint chain_endpoints_chain_id_fkey foreign key (chain_id) references chains (id),
    constraint chain_endpoints_chain_id_url_key unique (chain_id, url),
    constraint chain_endpoints_auth_type_check check (auth_type in ('none', 'url', 'header')),
    constraint chain_endpoints_weight_check check (weight between 1 and 1000),
    constraint chain_endpoints_rate_limit_check check (rate_limit >= 0)
);

-- A contract's interface, once however many contracts have it. A large one lies in the object store instead.
create table abi_blobs (
    sha256 varchar(64) primary key,
    size_bytes integer not null,
    source text,
    compiler text,
    contract_name text,
    standard text,
    abi_json jsonb,
    s3_key text,
    created_at timestamptz not null default now(),
    constraint abi_blobs_sha256_check check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint abi_blobs_place_check check (num_nonnulls(abi_json, s3_key) = 1)
);

create table chain_contracts (
    id bigint generated always as identity primary key,
    chain_id integer not null,
    name text not null,
    address text not null,
    start_block bigint not null,
    abi_sha256 varchar(64),
    impl_address text,
    standard text not null,
    first_seen_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint chain_contracts_chain_id_fkey foreign key (chain_id) references chains (id),
    constraint chain_contracts_abi_sha256_fkey foreign key (abi_sha256) references abi_blobs (sha256),
    constraint chain_contracts_chain_id_address_key unique (chain_id, address),
    constraint chain_contracts_address_check check (address ~ '^0x[0-9a-f]{40}$'),
    constraint chain_contracts_impl_address_check check (impl_address ~ '^0x[0-9a-f]{40}$'),
    constraint chain_contracts_start_block_check check (start_block >= 0)
);

create table chain_gas_policy (
    chain_id integer primary key,
    max_fee_gwei numeric,
    priority_fee_gwei numeric,
    multiplier numeric not null,
    last_observed_base_fee_gwei numeric,
    updated_at timestamptz not null default now(),
    constraint chain_gas_policy_chain_id_fkey foreign key (chain_id) references chains (id),
    constraint chain_gas_policy_max_fee_check check (max_fee_gwei > 0),
    constraint chain_gas_policy_priority_fee_check check (priority_fee_gwei >= 0),
    constraint chain_gas_policy_multiplier_check check (multiplier between 1 and 100)
);

-- Which code a proxy pointed to, and when that changed.
create table contract_impl_history (
    id bigint generated always as identity primary key,
    contract_id bigint not null,
    impl_address text not null,
    previous_impl_address text,
    seen_at timestamptz not null default now(),
    constraint contract_impl_history_contract_id_fkey foreign key (contract_id) references chain_contracts (id)
);
create index contract_impl_history_contract_id_idx on contract_impl_history (contract_id, seen_at desc);

-- One row: the version of the whole registry. A writer locks it first, so that writes are in one order and each
-- version is one state.
create table registry_version (
    is_only boolean primary key default true,
    version bigint not null,
    updated_at timestamptz not null default now(),
    constraint registry_version_is_only_check check (is_only)
);
insert into registry_version (version) values (0);

-- Who changed what; written with the change. Holds no URL of an endpoint.
create table audit (
    audit_id uuid primary key,
    version bigint not null,
    actor text not null,
    action text not null,
    subject text not null,
    before_json jsonb,
    after_json jsonb not null,
    created_at timestamptz not null default now(),
    constraint audit_version_key unique (version)
);
create index audit_created_at_idx on audit (created_at);
