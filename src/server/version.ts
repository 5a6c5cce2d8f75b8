// What this server is, and which Redis it is compatible with. `package.json` says the same number
// of Tidemark; a test compares them.

export const TIDEMARK_VERSION = '0.1.0'
/** The version that INFO and HELLO give: clients choose features by it. */
export const REDIS_VERSION = '7.0.15'
