create table users (
    user_id uuid constraint users_pkey primary key,
    status varchar(32) not null default 'active'
        constraint users_status_check check (status in ('active', 'suspended', 'deleted')),
    -- Grows with each change of status or roles, and travels with the facts that tell of them.
    revision bigint not null default 0,
    last_login_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Which account is whose: written by EnsureUser, corrected by what wallet tells, one row an identity (the address of an
-- externally owned account, the CAIP-10 of a contract account). The link with the newest id has the last word, and of
-- one link its end: the facts may come in any order. `user_id` is null where the account belongs to nobody.
create table user_accounts (
    identity varchar(255) constraint user_accounts_pkey primary key,
    account_id varchar(255) not null,
    address varchar(42) not null,
    type varchar(20) not null,
    user_id uuid constraint user_accounts_user_id_fkey references users (user_id),
    -- `ensured`: known from a sign-in only; `linked` and `unlinked`: what wallet said last.
    state varchar(20) not null constraint user_accounts_state_check check (state in ('ensured', 'linked', 'unlinked')),
    wallet_id uuid,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint user_accounts_owner_check check ((user_id is null) = (state = 'unlinked'))
);
create index user_accounts_user_id_idx on user_accounts (user_id) where user_id is not null;
-- Chain events name addresses.
create index user_accounts_address_idx on user_accounts (address) where user_id is not null;

create table user_roles (
    user_id uuid not null constraint user_roles_user_id_fkey references users (user_id) on delete cascade,
    role varchar(32) not null
        constraint user_roles_role_check check (role in ('user', 'creator', 'moderator', 'admin')),
    granted_by uuid,
    created_at timestamptz not null default now(),
    constraint user_roles_pkey primary key (user_id, role)
);

create table profiles (
    user_id uuid constraint profiles_pkey primary key
        constraint profiles_user_id_fkey references users (user_id) on delete cascade,
    username varchar(30) constraint profiles_username_check check (username ~ '^[a-zA-Z0-9_]{3,30}$'),
    display_name varchar(50),
    avatar_url text,
    banner_url text,
    bio text,
    locale varchar(10),
    timezone varchar(50),
    socials_json jsonb not null default '{}',
    updated_at timestamptz not null default now()
);
-- Unique whatever the case; text_pattern_ops lets the search by prefix use it too.
create unique index profiles_username_key on profiles (lower(username) text_pattern_ops);

create table user_preferences (
    user_id uuid constraint user_preferences_pkey primary key
        constraint user_preferences_user_id_fkey references users (user_id) on delete cascade,
    email_notifications boolean not null default false,
    push_notifications boolean not null default false,
    marketing_emails boolean not null default false,
    language varchar(10) not null default 'en',
    currency varchar(10) not null default 'ETH',
    theme varchar(20) not null default 'system',
    privacy_level varchar(20) not null default 'public',
    show_activity boolean not null default true,
    updated_at timestamptz not null default now()
);

create table user_stats (
    user_id uuid constraint user_stats_pkey primary key
        constraint user_stats_user_id_fkey references users (user_id) on delete cascade,
    collections_count integer not null default 0,
    items_count integer not null default 0,
    listings_count integer not null default 0,
    sales_count integer not null default 0,
    purchases_count integer not null default 0,
    volume_sold numeric not null default 0,
    volume_purchased numeric not null default 0,
    followers_count integer not null default 0,
    following_count integer not null default 0,
    -- When something last happened that the figures may not show; null where nothing did.
    dirty_at timestamptz,
    updated_at timestamptz not null default now()
);
create index user_stats_dirty_at_idx on user_stats (dirty_at) where dirty_at is not null;

-- Collections of which many tokens changed at once: the message names no owners, so whose figures changed is asked later.
create table dirty_collections (
    collection_id uuid constraint dirty_collections_pkey primary key,
    chain_id varchar(32) not null,
    contract varchar(42) not null,
    dirty_at timestamptz not null default now()
);

create table user_follows (
    follower_id uuid not null constraint user_follows_follower_id_fkey references users (user_id) on delete cascade,
    following_id uuid not null constraint user_follows_following_id_fkey references users (user_id) on delete cascade,
    created_at timestamptz not null default now(),
    constraint user_follows_pkey primary key (follower_id, following_id),
    constraint user_follows_self_check check (follower_id <> following_id)
);
create index user_follows_following_id_idx on user_follows (following_id, created_at desc);
