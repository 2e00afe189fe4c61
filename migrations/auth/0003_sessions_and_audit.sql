-- A nonce says what a signature around it is for; one for a link belongs to the user who asked for it. A nonce that a
-- browser asked for is bound to its pre-session cookie, of which the hash is kept.
alter table auth_nonces
    add column purpose varchar(16) not null default 'sign_in'
        constraint auth_nonces_purpose_check check (purpose in ('sign_in', 'link')),
    add column user_id uuid,
    add column pre_session bytea
        constraint auth_nonces_pre_session_check check (octet_length(pre_session) = 32),
    add constraint auth_nonces_link_check check ((purpose = 'link') = (user_id is not null));

-- What a contract account answered is true as of a block, and may stop being true: such sessions are asked about again.
alter table sessions
    add column verified_at timestamptz not null default now(),
    add column verify_method varchar(16) not null default 'eoa'
        constraint sessions_verify_method_check check (verify_method in ('eoa', 'eip1271', 'erc6492'));
create index sessions_verified_at_idx on sessions (verified_at) where revoked_at is null and verify_method <> 'eoa';
-- Ended sessions are forgotten after a while.
create index sessions_expires_at_idx on sessions (expires_at);

-- What a contract account signed, kept as long as the session so that the contract can be asked again.
create table session_proofs (
    session_id uuid constraint session_proofs_pkey primary key
        constraint session_proofs_session_id_fkey references sessions (session_id) on delete cascade,
    message text not null,
    signature bytea not null,
    block_hash varchar(66) not null,
    block_number bigint not null
);

-- The next token is made from the used one and this salt, so that a client that lost the answer gets the same one again,
-- and the database alone cannot make it. The salt goes when the grace is over.
alter table refresh_tokens
    add column successor_salt bytea,
    add column used_fingerprint varchar(128);

-- Attempts to prove a further account and refreshes that were refused are attempts too.
alter table login_events
    add column purpose varchar(16) not null default 'sign_in'
        constraint login_events_purpose_check check (purpose in ('sign_in', 'link', 'refresh')),
    drop constraint login_events_result_check,
    add constraint login_events_result_check check (result in (
        'success', 'message_malformed', 'nonce_unknown', 'nonce_used', 'nonce_expired', 'nonce_foreign',
        'domain_mismatch', 'uri_mismatch', 'chain_mismatch', 'chain_disabled', 'message_expired',
        'message_not_yet_valid', 'signature_invalid', 'user_suspended', 'rate_limited', 'unavailable',
        'refresh_reused'));
-- The sweep deletes by age.
create index login_events_timestamp_idx on login_events ("timestamp");
create index session_revocations_created_at_idx on session_revocations (created_at);
-- A user's own attempts are read page by page, and two may have one time.
create index login_events_user_id_id_idx on login_events (user_id, "timestamp" desc, id desc) where user_id is not null;
drop index login_events_user_id_idx;
alter index login_events_user_id_id_idx rename to login_events_user_id_idx;

-- Of an account that belongs to nobody, whose it was: a user service that has not heard of the end of the link yet would
-- name that user once more.
alter table account_users add column former_user_id uuid;
create index sessions_revoked_at_idx on sessions (revoked_at) where revoked_at is not null;
-- Salts are looked for where they are still there: a handful.
create index refresh_tokens_salted_idx on refresh_tokens (used_at) where successor_salt is not null;
