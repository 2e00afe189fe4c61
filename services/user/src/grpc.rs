//! The door for calls: parse, call, reply.

use chrono::{DateTime, Utc};
use ids::{AccountId, UserId};
use prost_types::Timestamp;
use proto::user::v1::{
    self as pb,
    get_user_request::By,
    user_service_server::{UserService, UserServiceServer},
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    ensure_user::ensure_user,
    error::Error,
    model::{Account, User},
    store,
};

/// How many ids one call may name.
const BATCH_MAX: usize = 100;

/// The service as tonic wants it.
pub(crate) fn routes(db: PgPool) -> Routes {
    Routes::new(UserServiceServer::new(Door { db }))
}

struct Door {
    db: PgPool,
}

#[tonic::async_trait]
impl UserService for Door {
    async fn ensure_user(
        &self,
        request: Request<pb::EnsureUserRequest>,
    ) -> Result<Response<pb::EnsureUserResponse>, Status> {
        let account = account("account_id", &request.into_inner().account_id)?;
        let (user, created) = ensure_user(&self.db, &account).await?;
        Ok(Response::new(pb::EnsureUserResponse { user: Some(user.into()), created }))
    }

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::GetUserResponse>, Status> {
        let found = match request.into_inner().by {
            Some(By::UserId(id)) => store::find_by_id(&self.db, user_id("user_id", &id)?).await,
            Some(By::Username(name)) => store::find_by_username(&self.db, &name).await,
            Some(By::AccountId(text)) => {
                let account = account("account_id", &text)?;
                let identities = [Account::eoa(&account).identity, Account::contract(&account).identity];
                store::find_by_identities(&self.db, &identities).await
            }
            None => return Err(Error::field("by", "must name a user").into()),
        };
        let user = found.map_err(Error::from)?.ok_or(Error::NotFound)?;
        Ok(Response::new(pb::GetUserResponse { user: Some(user.into()) }))
    }

    async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        let asked = request.into_inner().user_ids;
        if asked.len() > BATCH_MAX {
            return Err(Error::field("user_ids", "must be at most 100").into());
        }
        let ids = asked.iter().map(|id| user_id("user_ids", id)).collect::<Result<Vec<_>, _>>()?;
        let users = store::list_by_ids(&self.db, &ids).await.map_err(Error::from)?;
        Ok(Response::new(pb::BatchGetUsersResponse { users: users.into_iter().map(Into::into).collect() }))
    }

    async fn search_users(
        &self,
        _: Request<pb::SearchUsersRequest>,
    ) -> Result<Response<pb::SearchUsersResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn update_profile(
        &self,
        _: Request<pb::UpdateProfileRequest>,
    ) -> Result<Response<pb::UpdateProfileResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn get_preferences(
        &self,
        _: Request<pb::GetPreferencesRequest>,
    ) -> Result<Response<pb::GetPreferencesResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn update_preferences(
        &self,
        _: Request<pb::UpdatePreferencesRequest>,
    ) -> Result<Response<pb::UpdatePreferencesResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn set_follow(
        &self,
        _: Request<pb::SetFollowRequest>,
    ) -> Result<Response<pb::SetFollowResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn list_follows(
        &self,
        _: Request<pb::ListFollowsRequest>,
    ) -> Result<Response<pb::ListFollowsResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn batch_is_following(
        &self,
        _: Request<pb::BatchIsFollowingRequest>,
    ) -> Result<Response<pb::BatchIsFollowingResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn batch_get_stats(
        &self,
        _: Request<pb::BatchGetStatsRequest>,
    ) -> Result<Response<pb::BatchGetStatsResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn set_role(
        &self,
        _: Request<pb::SetRoleRequest>,
    ) -> Result<Response<pb::SetRoleResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }

    async fn set_status(
        &self,
        _: Request<pb::SetStatusRequest>,
    ) -> Result<Response<pb::SetStatusResponse>, Status> {
        Err(Status::unimplemented("is being built"))
    }
}

fn user_id(path: &'static str, text: &str) -> Result<UserId, Error> {
    text.parse().map_err(|err| Error::field(path, err))
}

fn account(path: &'static str, text: &str) -> Result<AccountId, Error> {
    text.parse().map_err(|err| Error::field(path, err))
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

impl From<User> for pb::User {
    fn from(user: User) -> pb::User {
        pb::User {
            user_id: user.user_id.to_string(),
            status: user.status,
            profile: Some(pb::Profile {
                username: user.username.unwrap_or_default(),
                display_name: user.display_name.unwrap_or_default(),
                bio: user.bio.unwrap_or_default(),
                avatar_url: user.avatar_url.unwrap_or_default(),
                banner_url: user.banner_url.unwrap_or_default(),
                ..Default::default()
            }),
            roles: user.roles,
            create_time: Some(timestamp(user.created_at)),
            update_time: Some(timestamp(user.updated_at)),
            ..Default::default()
        }
    }
}
