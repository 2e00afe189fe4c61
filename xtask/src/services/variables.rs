//! What each process is told of the others, as environment variables under its prefix.

use anyhow::Result;

use super::Need::{Amqp, Bucket, Database, Ipfs, Mongo, Redis};
use super::{Service, VHOST, find, redis_url, snake};
use crate::ports::Port;
use crate::stores::Place;

const LIMITS: [&str; 5] = ["NONCES", "SIGN_INS", "REFRESHES", "SESSIONS", "CONTRACT_CHECKS"];

impl Service {
    /// Its configuration, as the variables under its prefix.
    pub fn variables(&self, place: &Place, certificates: &str) -> Result<Vec<(String, String)>> {
        let at = |port| format!("127.0.0.1:{}", place.ports.of(port));
        let mut keys: Vec<(String, String)> = Vec::new();
        let mut set = |key: &str, value: String| keys.push((format!("{}__{key}", self.upper()), value));

        set("PROCESS__OPS_ADDR", at(Port::Ops(self.number)));
        if !self.is_gateway() {
            set("GRPC__ADDR", at(Port::Grpc(self.number)));
        }
        set("GRPC__CA", format!("{certificates}/ca.pem"));
        set("GRPC__CERT", format!("{certificates}/{}.pem", self.name));
        set("GRPC__KEY", format!("{certificates}/{}.key", self.name));
        for need in self.needs {
            match need {
                Database => set("DATABASE_URL", self.database_url(place)?),
                Redis => set("REDIS_URL", redis_url(place)?),
                Amqp => {
                    let password = place.password(&self.broker_secret())?;
                    set("AMQP_URL", format!("amqp://{}:{password}@{}/{VHOST}", self.name, at(Port::Amqp)));
                }
                Ipfs => set("IPFS_URL", format!("http://{}", at(Port::Ipfs))),
                Mongo => set("MONGO_URL", crate::stores::mongo_url(place)),
                Bucket(bucket) => {
                    set("S3__ENDPOINT", format!("http://{}", at(Port::S3)));
                    set("S3__REGION", "us-east-1".to_owned());
                    set("S3__ACCESS_KEY", crate::stores::S3_KEY.to_owned());
                    set("S3__SECRET_KEY", place.password("s3")?.to_owned());
                    set("S3__BUCKET", (*bucket).to_owned());
                }
            }
        }
        for peer in self.peers {
            let number = find(peer).map_or(0, |service| service.number);
            set(
                &format!("PEERS__{}", snake(peer).to_uppercase()),
                format!("https://{}", at(Port::Grpc(number))),
            );
        }
        let gateway = place.ports.of(Port::GatewayHttp);
        let public = format!("http://localhost:{gateway}");
        let origins = format!("{public},http://127.0.0.1:{gateway}");
        match self.name {
            "auth" => {
                set("DOMAINS", format!("localhost:{gateway},127.0.0.1:{gateway}"));
                set("ORIGINS", origins);
                set("ISSUER", public);
                // Everybody here comes from one address: the demo, the stories and the load all at once.
                for limit in LIMITS {
                    set(&format!("LIMITS__{limit}_PER_MINUTE"), "100000".to_owned());
                }
            }
            "user" => set("MEDIA_URL", format!("http://{}", at(Port::MediaHttp))),
            "media" => {
                set("HTTP_ADDR", at(Port::MediaHttp));
                set("PUBLIC_URL", format!("http://{}", at(Port::MediaHttp)));
            }
            "gateway" => {
                set("HTTP_ADDR", at(Port::GatewayHttp));
                set("ORIGINS", origins);
                set("PUBLIC_URL", public);
                set("CURSOR_KEY", place.password("cursor_key")?.to_owned());
                set("INTROSPECTION", "true".to_owned());
                let graphiql = place.room.run.join("graphiql");
                if graphiql.exists() {
                    set("GRAPHIQL", graphiql.display().to_string());
                }
            }
            _ => {}
        }
        Ok(keys)
    }
}
