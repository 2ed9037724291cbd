/**
 * The store on `@effect/sql`, apart from the rest so that a kernel without a database needs no database client.
 *
 * @since 0.1.0
 */

/**
 * A store on `@effect/sql`.
 *
 * @since 0.1.0
 */
export * as RemoteStoreSql from "./layers/RemoteStoreSql.ts"
