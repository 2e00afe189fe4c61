//! The calls between the services: the `.proto` files beside this crate, compiled. Nothing else lives here.

#![expect(clippy::all, clippy::allow_attributes_without_reason, reason = "generated code")]

/// Every message and service as descriptors, for reflection and for the tests that read the contracts.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

pub mod auth {
    pub mod v1 {
        tonic::include_proto!("vitrine.auth.v1");
    }
}
pub mod catalog {
    pub mod v1 {
        tonic::include_proto!("vitrine.catalog.v1");
    }
}
pub mod chainregistry {
    pub mod v1 {
        tonic::include_proto!("vitrine.chainregistry.v1");
    }
}
pub mod common {
    pub mod v1 {
        tonic::include_proto!("vitrine.common.v1");
    }
}
pub mod indexer {
    pub mod v1 {
        tonic::include_proto!("vitrine.indexer.v1");
    }
}
pub mod media {
    pub mod v1 {
        tonic::include_proto!("vitrine.media.v1");
    }
}
pub mod orchestrator {
    pub mod v1 {
        tonic::include_proto!("vitrine.orchestrator.v1");
    }
}
pub mod subscription {
    pub mod v1 {
        tonic::include_proto!("vitrine.subscription.v1");
    }
}
pub mod user {
    pub mod v1 {
        tonic::include_proto!("vitrine.user.v1");
    }
}
pub mod wallet {
    pub mod v1 {
        tonic::include_proto!("vitrine.wallet.v1");
    }
}
