// Ponder wants an API to be there; nobody asks it anything.
import { Hono } from "hono";

export default new Hono();
