//! The door for calls: parse, call, reply.

mod asked;
mod picture;

use proto::user::v1::{
    self as pb,
    get_user_request::By,
    set_role_request::Who,
    user_service_server::{UserService, UserServiceServer},
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};
use url::Url;
use uuid::Uuid;

use crate::{
    ensure_user::ensure_user,
    error::Error,
    find_users::find_users,
    list_follows::{FollowsAsk, list_follows},
    model::{self, Actor, Role},
    set_follow::set_follow,
    set_role::{RoleAsk, set_role},
    set_status::{StatusAsk, set_status},
    store::{self, Cache},
    update_preferences::update_preferences,
    update_profile::{Answer, update_profile},
};

const PREFIX_LONGEST: usize = 30;

/// The service as tonic wants it. `media` is where this house serves pictures.
pub(crate) fn routes(db: PgPool, cache: Cache, media: Url) -> Routes {
    Routes::new(UserServiceServer::new(Door { db, cache, media }))
}

struct Door {
    db: PgPool,
    cache: Cache,
    media: Url,
}

impl Door {
    /// What is committed is shown to whoever reads from now on.
    async fn show(&self, user: &model::User) {
        self.cache.put_all(std::slice::from_ref(user)).await;
    }
}

#[tonic::async_trait]
impl UserService for Door {
    async fn ensure_user(
        &self,
        request: Request<pb::EnsureUserRequest>,
    ) -> Result<Response<pb::EnsureUserResponse>, Status> {
        let pb::EnsureUserRequest { account_id, account_type } = request.get_ref();
        let account = asked::account(account_id, account_type)?;
        let (user, created) = ensure_user(&self.db, &account).await?;
        Ok(Response::new(pb::EnsureUserResponse { user: Some(user.into()), created }))
    }

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::GetUserResponse>, Status> {
        let found = match request.into_inner().by {
            Some(By::UserId(id)) => {
                let id = asked::user_id("user_id", &id)?;
                find_users(&self.db, &self.cache, &[id]).await?.pop()
            }
            // Nobody has a name that is not plain, and not all of them can be asked of the database.
            Some(By::Username(name)) if !asked::is_plain(&name) => None,
            Some(By::Username(name)) => {
                store::find_by_username(&self.db, &name).await.map_err(Error::from)?
            }
            Some(By::AccountId(text)) => {
                let identities = asked::identities(&asked::account_id("account_id", &text)?);
                store::find_by_identities(&self.db, &identities).await.map_err(Error::from)?
            }
            None => return Err(Error::field("by", "must name a user").into()),
        };
        let user = found.ok_or(Error::NotFound)?;
        Ok(Response::new(pb::GetUserResponse { user: Some(user.into()) }))
    }

    async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        let ids = asked::user_ids(&request.get_ref().user_ids)?;
        let users = find_users(&self.db, &self.cache, &ids).await?;
        Ok(Response::new(pb::BatchGetUsersResponse { users: users.into_iter().map(Into::into).collect() }))
    }

    async fn search_users(
        &self,
        request: Request<pb::SearchUsersRequest>,
    ) -> Result<Response<pb::SearchUsersResponse>, Status> {
        let ask = request.into_inner();
        let size = asked::page_size(ask.page_size, 50)?;
        if !(1..=PREFIX_LONGEST).contains(&ask.prefix.chars().count()) {
            return Err(Error::field("prefix", "must be 1 to 30 characters").into());
        }
        // Names are plain: no other text begins one, and not all of it can be asked of the database.
        if !asked::is_plain(&ask.prefix) {
            return Ok(Response::new(pb::SearchUsersResponse::default()));
        }
        let limit = i64::try_from(size).unwrap_or(i64::MAX);
        let users = store::list_by_prefix(&self.db, &ask.prefix, limit).await.map_err(Error::from)?;
        Ok(Response::new(pb::SearchUsersResponse { users: users.into_iter().map(Into::into).collect() }))
    }

    async fn update_profile(
        &self,
        request: Request<pb::UpdateProfileRequest>,
    ) -> Result<Response<pb::UpdateProfileResponse>, Status> {
        let caller = asked::caller(&request)?;
        let ask = asked::profile(caller, request.into_inner(), &self.media)?;
        let user = match update_profile(&self.db, &ask).await? {
            Answer::Changed(user) => {
                self.show(&user).await;
                user
            }
            // What was so once is not put before anybody else.
            Answer::Repeated(user) => user,
        };
        Ok(Response::new(pb::UpdateProfileResponse { user: Some(user.into()) }))
    }

    async fn get_preferences(
        &self,
        request: Request<pb::GetPreferencesRequest>,
    ) -> Result<Response<pb::GetPreferencesResponse>, Status> {
        let caller = asked::caller(&request)?;
        let found = store::find_preferences(&self.db, caller).await.map_err(Error::from)?;
        let preferences = found.ok_or(Error::NotFound)?;
        Ok(Response::new(pb::GetPreferencesResponse { preferences: Some(preferences.into()) }))
    }

    async fn update_preferences(
        &self,
        request: Request<pb::UpdatePreferencesRequest>,
    ) -> Result<Response<pb::UpdatePreferencesResponse>, Status> {
        let caller = asked::caller(&request)?;
        let (change, expected_version) = asked::preferences(request.into_inner())?;
        let preferences = update_preferences(&self.db, caller, &change, expected_version).await?;
        Ok(Response::new(pb::UpdatePreferencesResponse { preferences: Some(preferences.into()) }))
    }

    async fn set_follow(
        &self,
        request: Request<pb::SetFollowRequest>,
    ) -> Result<Response<pb::SetFollowResponse>, Status> {
        let caller = asked::caller(&request)?;
        let ask = request.into_inner();
        let other = asked::user_id("user_id", &ask.user_id)?;
        let user = set_follow(&self.db, caller, other, ask.following).await?;
        Ok(Response::new(pb::SetFollowResponse { user: Some(user.into()) }))
    }

    async fn list_follows(
        &self,
        request: Request<pb::ListFollowsRequest>,
    ) -> Result<Response<pb::ListFollowsResponse>, Status> {
        let viewer = asked::viewer(&request);
        let ask = request.into_inner();
        let ask = FollowsAsk {
            user_id: asked::user_id("user_id", &ask.user_id)?,
            viewer,
            followers: ask.followers,
            page_size: asked::page_size(ask.page_size, 100)?,
            before: ask.page_token.parse().map_err(|_| Error::BadCursor)?,
        };
        let page = list_follows(&self.db, &self.cache, ask).await?;
        let positions: Vec<String> = page.users.iter().map(|(_, position)| position.to_string()).collect();
        let next_page_token = if page.has_next { positions.last().cloned() } else { None };
        Ok(Response::new(pb::ListFollowsResponse {
            users: page.users.into_iter().map(|(user, _)| user.into()).collect(),
            next_page_token: next_page_token.unwrap_or_default(),
            positions,
            total_size: page.total,
        }))
    }

    async fn batch_is_following(
        &self,
        request: Request<pb::BatchIsFollowingRequest>,
    ) -> Result<Response<pb::BatchIsFollowingResponse>, Status> {
        let caller = asked::caller(&request)?;
        let others = rows(asked::user_ids(&request.get_ref().user_ids)?);
        let found = store::list_is_following(&self.db, caller, &others).await.map_err(Error::from)?;
        let user_ids = found.into_iter().map(|id| id.to_string()).collect();
        Ok(Response::new(pb::BatchIsFollowingResponse { user_ids }))
    }

    async fn batch_get_stats(
        &self,
        request: Request<pb::BatchGetStatsRequest>,
    ) -> Result<Response<pb::BatchGetStatsResponse>, Status> {
        let ids = rows(asked::user_ids(&request.get_ref().user_ids)?);
        let found = store::list_stats(&self.db, &ids).await.map_err(Error::from)?;
        Ok(Response::new(pb::BatchGetStatsResponse { stats: found.into_iter().map(Into::into).collect() }))
    }

    async fn set_role(
        &self,
        request: Request<pb::SetRoleRequest>,
    ) -> Result<Response<pb::SetRoleResponse>, Status> {
        let actor = asked::actor(&request)?;
        let ask = request.into_inner();
        let role = Role::find(&ask.role);
        let role = role.ok_or(Error::field("role", "must be creator, moderator or admin"))?;
        let reason = asked::reason(ask.reason)?;
        let expected_revision = asked::expected("expected_revision", ask.expected_revision)?;
        let user_id = match ask.who {
            Some(Who::UserId(id)) => asked::user_id("user_id", &id)?,
            Some(Who::AccountId(text)) => {
                let account = asked::account(&text, &ask.account_type)?;
                // Without a word on its kind it is whichever has a user.
                let identities = match ask.account_type.as_str() {
                    "" => asked::identities(&asked::account_id("account_id", &text)?).to_vec(),
                    _ => vec![account.identity.clone()],
                };
                let known = store::find_by_identities(&self.db, &identities).await;
                match known.map_err(Error::from)? {
                    Some(user) => user.user_id,
                    // The first admin may not have signed in yet.
                    None if actor == Actor::Operator && ask.granted => {
                        ensure_user(&self.db, &account).await?.0.user_id
                    }
                    None => return Err(Error::NotFound.into()),
                }
            }
            None => return Err(Error::field("who", "must name a user").into()),
        };
        let is_granted = ask.granted;
        let ask = RoleAsk { actor, user_id, role, is_granted, reason, expected_revision };
        let user = set_role(&self.db, &ask).await?;
        self.show(&user).await;
        Ok(Response::new(pb::SetRoleResponse { user: Some(user.into()) }))
    }

    async fn set_status(
        &self,
        request: Request<pb::SetStatusRequest>,
    ) -> Result<Response<pb::SetStatusResponse>, Status> {
        let actor = asked::actor(&request)?;
        let ask = request.into_inner();
        let status = model::Status::find(&ask.status);
        let ask = StatusAsk {
            actor,
            user_id: asked::user_id("user_id", &ask.user_id)?,
            status: status.ok_or(Error::field("status", "must be active or suspended"))?,
            reason: asked::reason(ask.reason)?,
            expected_revision: asked::expected("expected_revision", ask.expected_revision)?,
        };
        let user = set_status(&self.db, &ask).await?;
        self.show(&user).await;
        Ok(Response::new(pb::SetStatusResponse { user: Some(user.into()) }))
    }
}

fn rows(ids: Vec<ids::UserId>) -> Vec<Uuid> {
    ids.into_iter().map(|id| id.0).collect()
}
