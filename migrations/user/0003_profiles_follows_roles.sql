-- What people change themselves has a version that grows with each change. 0 means "whichever" in a request, so that
-- versions and revisions begin at 1.
alter table profiles add column version bigint not null default 1;
alter table user_preferences
    add column version bigint not null default 1,
    add constraint user_preferences_theme_check check (theme in ('system', 'light', 'dark')),
    add constraint user_preferences_privacy_level_check check (privacy_level in ('public', 'followers', 'private'));
alter table users alter column revision set default 1;
update users set revision = 1 where revision = 0;

-- What somebody asked for under a name of their own: the same again gets the same answer and changes nothing. Swept
-- after a day.
create table profile_requests (
    user_id uuid not null constraint profile_requests_user_id_fkey references users (user_id) on delete cascade,
    request_id varchar(64) not null,
    -- SHA-256 of what was asked: the same name with something else in it is a conflict.
    request_hash bytea not null constraint profile_requests_hash_check check (octet_length(request_hash) = 32),
    answer jsonb not null,
    created_at timestamptz not null default now(),
    constraint profile_requests_pkey primary key (user_id, request_id)
);
create index profile_requests_created_at_idx on profile_requests (created_at);

-- Pages of follows, newest first, from both ends. The second takes the place of the index without the tie-break.
create index user_follows_follower_newest_idx on user_follows (follower_id, created_at desc, following_id desc);
create index user_follows_following_newest_idx on user_follows (following_id, created_at desc, follower_id desc);
drop index user_follows_following_id_idx;

-- Who is being asked about just now: another process leaves them alone for that time. `refreshed_at` is when the catalog
-- was last asked: what happened before is in the figures.
alter table user_stats
    add column claimed_until timestamptz,
    add column refreshed_at timestamptz not null default 'epoch',
    add constraint user_stats_followers_check check (followers_count >= 0),
    add constraint user_stats_following_check check (following_count >= 0);
-- Whose figures are older than a change that names nobody.
create index user_stats_refreshed_at_idx on user_stats (refreshed_at) where dirty_at is null;

-- An admin took the role of creator away: the chain's next word does not bring it back.
alter table users add column creator_withheld boolean not null default false;
-- Whether there is another admin.
create index user_roles_role_idx on user_roles (role) where role <> 'user';

-- Who changed what a user may do. Rows are added and never changed; they outlive the user, and go after a year.
create table user_audit (
    id uuid constraint user_audit_pkey primary key,
    user_id uuid not null,
    -- `admin` with the admin's id, `operator` from the command line, `catalog` where the chain led to it.
    actor varchar(20) not null constraint user_audit_actor_check check (actor in ('admin', 'operator', 'catalog')),
    actor_id uuid,
    what varchar(20) not null constraint user_audit_what_check check (what in ('roles', 'status')),
    before text not null,
    after text not null,
    reason varchar(500) not null default '',
    revision bigint not null,
    created_at timestamptz not null default now(),
    constraint user_audit_admin_check check ((actor = 'admin') = (actor_id is not null)),
    constraint user_audit_revision_key unique (user_id, revision)
);
create index user_audit_created_at_idx on user_audit (created_at);

create function user_audit_is_append_only() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.created_at < now() - interval '1 year' then
        return old;
    end if;
    raise exception 'user_audit is append only' using errcode = 'restrict_violation';
end $$;
create trigger user_audit_append_only before update or delete on user_audit
    for each row execute function user_audit_is_append_only();
