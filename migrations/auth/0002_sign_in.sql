-- Nonces. A nonce is asked for before anybody knows the account, so account and chain are filled only where the
-- asker named them. `account_id` holds an address: what a nonce is bound to is a key, not a chain.
create table auth_nonces (
    nonce varchar(64) constraint auth_nonces_pkey primary key,
    account_id varchar(42),
    domain varchar(255) not null,
    chain_id varchar(32),
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used boolean not null default false,
    used_at timestamptz,
    created_at timestamptz not null default now(),
    constraint auth_nonces_used_check check (used = (used_at is not null))
);
-- The sweep deletes by age.
create index auth_nonces_expires_at_idx on auth_nonces (expires_at);

-- Which account is whose: a copy of what wallet knows, one row an identity (the address of an externally owned account,
-- the CAIP-10 of a contract account). The link with the newest id has the last word, and of one link its end: the
-- facts may come in any order. `user_id` is null where the account belongs to nobody.
create table account_users (
    identity varchar(255) constraint account_users_pkey primary key,
    account_id varchar(255) not null,
    type varchar(20) not null,
    user_id uuid,
    wallet_id uuid not null,
    updated_at timestamptz not null default now()
);
create index account_users_user_id_idx on account_users (user_id) where user_id is not null;

-- What user says of a user's status and roles; a user without a row is active and has the role `user`. The two facts
-- share one revision, and each column keeps the newest that concerned it.
create table user_states (
    user_id uuid constraint user_states_pkey primary key,
    status varchar(32) not null default 'active',
    status_revision bigint not null default 0,
    roles text[] not null default '{user}',
    roles_revision bigint not null default 0,
    updated_at timestamptz not null default now()
);

create table sessions (
    session_id uuid constraint sessions_pkey primary key,
    user_id uuid not null,
    -- CAIP-10 of the account that signed, and the identity by which its unlinking ends the session.
    account_id varchar(255) not null,
    identity varchar(255) not null,
    account_type varchar(20) not null,
    chain_id varchar(32) not null,
    device_id uuid,
    -- SHA-256 of the newest refresh token, in hex; the family's history is in refresh_tokens.
    refresh_hash varchar(128) not null,
    fingerprint varchar(128),
    ip_address inet,
    user_agent text,
    created_at timestamptz not null default now(),
    -- Moves with each refresh, up to absolute_expires_at.
    expires_at timestamptz not null,
    absolute_expires_at timestamptz not null,
    -- When the newest access token ends: until then a revocation must be told.
    access_expires_at timestamptz not null,
    revoked_at timestamptz,
    revoke_reason varchar(32),
    last_used_at timestamptz not null default now(),
    collection_intent_context jsonb not null default '{}',
    constraint sessions_revoked_check check ((revoked_at is null) = (revoke_reason is null))
);
create index sessions_user_id_idx on sessions (user_id, created_at desc) where revoked_at is null;
create index sessions_identity_idx on sessions (identity) where revoked_at is null;
-- ListRevocations reads the few whose tokens may be alive.
create index sessions_revoked_alive_idx on sessions (access_expires_at) where revoked_at is not null;

-- Every refresh token ever issued, hashed: without the used ones a reuse could not be seen.
create table refresh_tokens (
    token_id uuid constraint refresh_tokens_pkey primary key,
    family_id uuid not null,
    session_id uuid not null constraint refresh_tokens_session_id_fkey references sessions (session_id) on delete cascade,
    token_hash varchar(64) not null constraint refresh_tokens_token_hash_key unique,
    parent_id uuid constraint refresh_tokens_parent_id_fkey references refresh_tokens (token_id) on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);
create index refresh_tokens_family_id_idx on refresh_tokens (family_id);
create index refresh_tokens_session_id_idx on refresh_tokens (session_id);
-- A token has at most one successor: two refreshes at once cannot both make one.
create unique index refresh_tokens_parent_id_idx on refresh_tokens (parent_id) where parent_id is not null;

-- Revocations that were told: the id is part of the message's id.
create table session_revocations (
    revocation_id uuid constraint session_revocations_pkey primary key,
    user_id uuid not null,
    session_ids uuid[] not null,
    reason varchar(32) not null,
    created_at timestamptz not null default now()
);

-- One row an attempt.
create table login_events (
    id uuid constraint login_events_pkey primary key,
    user_id uuid,
    session_id uuid,
    account_id varchar(42),
    ip_address inet,
    user_agent text,
    result varchar(32) not null,
    error_message text,
    chain_id varchar(32),
    domain varchar(255),
    "timestamp" timestamptz not null default now(),
    constraint login_events_result_check check (result in (
        'success', 'message_malformed', 'nonce_unknown', 'nonce_used', 'nonce_expired', 'domain_mismatch',
        'uri_mismatch', 'chain_mismatch', 'chain_disabled', 'message_expired', 'message_not_yet_valid',
        'signature_invalid', 'user_suspended', 'rate_limited', 'unavailable'))
);
create index login_events_user_id_idx on login_events (user_id, "timestamp" desc) where user_id is not null;
create index login_events_account_id_idx on login_events (account_id, "timestamp" desc) where account_id is not null;

-- Keys that sign access tokens. One signs, those not yet retired are published.
create table signing_keys (
    kid varchar(64) constraint signing_keys_pkey primary key,
    algorithm varchar(16) not null,
    private_pem text not null,
    public_jwk jsonb not null,
    created_at timestamptz not null default now(),
    signs_from timestamptz not null default now(),
    retired_at timestamptz
);
