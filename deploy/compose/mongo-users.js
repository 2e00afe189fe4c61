// A user for each service that keeps documents, with the rights to its own databases. Runs at every start.
const fs = require("fs");
const secret = (name) => fs.readFileSync(`/run/secrets/${name}`, "utf8").trim();
const owned = { media: ["media", "metadata"], indexer: ["events"] };

const admin = new Mongo("mongodb://mongo:27017/admin").getDB("admin");
admin.auth("vitrine_admin", secret("mongo-password"));
for (const line of secret("mongo-users").split("\n")) {
  const [user, pwd] = line.split(" ");
  const roles = owned[user].map((db) => ({ role: "readWrite", db }));
  if (admin.getUser(user)) admin.updateUser(user, { pwd, roles });
  else admin.createUser({ user, pwd, roles });
}
print("mongo: every user is there");
