-- What a user is about to sign, followed to its end.
create table tx_intents (
    intent_id uuid primary key,
    kind text not null,
    chain_id text not null,
    preview_address text,
    tx_hash text,
    status text not null,
    created_by uuid not null,
    req_payload_json jsonb not null,
    error text,
    auth_session_id varchar(255),
    deadline_at timestamptz not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    request_id varchar(128) not null,
    request_hash bytea not null,
    error_code text,
    revision bigint not null,
    -- The wallet that signs.
    from_address text not null,
    -- The collection: minted from, or made (then known when it is mined).
    contract_address text,
    -- keccak(creator, intent id) of a create: by it a transaction that nobody reported finds its intent.
    salt text,
    -- What the receipt says was minted; READY waits until the catalog knows all of them.
    token_ids text[] not null default '{}',
    confirmations integer,
    required_confirmations integer not null,
    mined_block bigint,
    mined_block_hash text,
    -- Since when no node knows the transaction.
    unseen_since timestamptz,
    catalogued_at timestamptz,
    -- What the catalog should still hear, or has heard, of a collection that is about to be.
    pending_collection text not null default 'none',
    -- When the tracker looks again; nothing is left to look at where null.
    next_look_at timestamptz,
    -- The tracker that holds the row, until then.
    claimed_until timestamptz,
    constraint tx_intents_created_by_request_id_key unique (created_by, request_id),
    constraint tx_intents_kind_check check (kind in ('CREATE_COLLECTION', 'MINT_721', 'MINT_1155', 'APPROVE', 'LIST',
        'BUY', 'CANCEL_LISTING', 'OFFER', 'ACCEPT_OFFER', 'REVOKE_APPROVAL')),
    constraint tx_intents_status_check check (status in ('PREPARED', 'SUBMITTED', 'MINED', 'CONFIRMED', 'READY',
        'FAILED', 'REPLACED', 'CANCELLED', 'DROPPED', 'EXPIRED')),
    constraint tx_intents_pending_collection_check check (pending_collection in ('none', 'put_due', 'put',
        'remove_due', 'removed')),
    constraint tx_intents_revision_check check (revision >= 1)
);
-- A user's intents, newest first, by keyset.
create index tx_intents_created_by_idx on tx_intents (created_by, created_at desc, intent_id desc);
-- The tracker looks only at what is due; the index holds nothing else.
create index tx_intents_next_look_at_idx on tx_intents (next_look_at) where next_look_at is not null;
create unique index tx_intents_chain_id_salt_key on tx_intents (chain_id, salt) where salt is not null;

-- What is signed, in order: a transaction or an EIP-712 message.
create table tx_intent_steps (
    step_id uuid primary key,
    intent_id uuid not null,
    position integer not null,
    kind text not null,
    title text not null,
    description text not null,
    chain_id text not null,
    from_address text,
    to_address text,
    data bytea,
    value numeric(78, 0),
    gas numeric(78, 0),
    max_fee_per_gas numeric(78, 0),
    max_priority_fee_per_gas numeric(78, 0),
    typed_data_json jsonb,
    simulated boolean not null,
    created_at timestamptz not null default now(),
    constraint tx_intent_steps_intent_id_fkey foreign key (intent_id) references tx_intents (intent_id),
    constraint tx_intent_steps_intent_id_position_key unique (intent_id, position),
    constraint tx_intent_steps_kind_check check (kind in ('TRANSACTION', 'SIGNATURE')),
    constraint tx_intent_steps_value_check check (value >= 0 and value < 2::numeric ^ 256),
    constraint tx_intent_steps_form_check check (case kind
        when 'TRANSACTION' then num_nulls(from_address, to_address, data, value) = 0
        else typed_data_json is not null end)
);

-- Hashes that may carry a step. Anybody may report any hash for an intent of their own; only what was seen to be the
-- prepared transaction is verified, and a transaction verifies for one step alone.
create table tx_candidates (
    step_id uuid not null,
    tx_hash text not null,
    intent_id uuid not null,
    chain_id text not null,
    source text not null,
    state text not null,
    nonce bigint,
    reported_at timestamptz not null default now(),
    judged_at timestamptz,
    constraint tx_candidates_pkey primary key (step_id, tx_hash),
    constraint tx_candidates_step_id_fkey foreign key (step_id) references tx_intent_steps (step_id),
    constraint tx_candidates_intent_id_fkey foreign key (intent_id) references tx_intents (intent_id),
    constraint tx_candidates_source_check check (source in ('REPORTED', 'SALT')),
    constraint tx_candidates_state_check check (state in ('UNSEEN', 'VERIFIED', 'REFUSED'))
);
create unique index tx_candidates_verified_key on tx_candidates (chain_id, tx_hash) where state = 'VERIFIED';
create index tx_candidates_intent_id_idx on tx_candidates (intent_id, reported_at);

-- What the catalog said of transactions, whoever sent them: the word may come before the hash is tracked. One row for
-- an entity of a transaction, its latest revision.
create table catalogued_txs (
    chain_id text not null,
    tx_hash text not null,
    entity text not null,
    revision bigint not null,
    contract text not null,
    -- Empty: the collection itself.
    token_ids text[] not null,
    removed boolean not null,
    told_at timestamptz not null default now(),
    constraint catalogued_txs_pkey primary key (chain_id, tx_hash, entity)
);
create index catalogued_txs_told_at_idx on catalogued_txs (told_at);

-- Each change of an intent, with the session that it belongs to.
create table session_intent_audit (
    audit_id uuid primary key,
    session_id varchar(255),
    intent_id uuid not null,
    user_id uuid not null,
    correlation_timestamp timestamptz not null,
    audit_data jsonb not null,
    created_at timestamptz not null default now(),
    constraint session_intent_audit_intent_id_fkey foreign key (intent_id) references tx_intents (intent_id)
);
create index session_intent_audit_intent_id_idx on session_intent_audit (intent_id, created_at);
create index session_intent_audit_session_id_idx on session_intent_audit (session_id, created_at);
create index session_intent_audit_created_at_idx on session_intent_audit (created_at);
