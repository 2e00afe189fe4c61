create table wallet_links (
    wallet_id uuid constraint wallet_links_pkey primary key,
    user_id uuid not null,
    account_id varchar(255) not null,
    -- Who the account is: its address where it is externally owned (the same person on every chain), else its CAIP-10.
    identity varchar(255) not null constraint wallet_links_identity_key unique,
    address varchar(42) not null,
    chain_id varchar(32) not null,
    is_primary boolean not null,
    type varchar(20) not null constraint wallet_links_type_check check (type in ('eoa', 'contract')),
    connector varchar(50),
    label varchar(100),
    verified_at timestamptz,
    last_seen_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint wallet_links_user_address_chain_key unique (user_id, address, chain_id)
);
-- A user has one primary wallet.
create unique index wallet_links_one_primary_idx on wallet_links (user_id) where is_primary;

-- Outlives the link that it tells of, so nothing references it.
create table wallet_activity (
    id uuid constraint wallet_activity_pkey primary key,
    wallet_id uuid not null,
    user_id uuid not null,
    action varchar(50) not null,
    metadata jsonb not null default '{}',
    ip_address inet,
    user_agent text,
    created_at timestamptz not null default now()
);
create index wallet_activity_user_id_idx on wallet_activity (user_id, created_at desc);
create index wallet_activity_wallet_id_idx on wallet_activity (wallet_id, created_at desc);

create table wallet_verifications (
    id uuid constraint wallet_verifications_pkey primary key,
    wallet_id uuid not null
        constraint wallet_verifications_wallet_id_fkey references wallet_links (wallet_id) on delete cascade,
    verification_type varchar(50) not null,
    verification_data jsonb not null default '{}',
    status varchar(20) not null,
    verified_at timestamptz,
    expires_at timestamptz,
    created_at timestamptz not null default now()
);
create index wallet_verifications_wallet_id_idx on wallet_verifications (wallet_id);
