/**
 * The library, put together the way a kernel would: real libp2p above one SQLite file.
 */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import {
  ConnectionFactoryLibp2p,
  RemoteIdentityStored,
  RemotesConfig,
  RemotesDurable,
  TransportLinks
} from "effect-remotes"
import { RemoteStoreSql } from "effect-remotes/sql"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/**
 * The store, and the SQL client on which the kernel keeps its own tables.
 */
export const layerStore = (filename: string) =>
  Layer.provideMerge(RemoteStoreSql.layer, RemoteStoreSql.layerClient(SqliteClient.layer({ filename })))

/** On one machine a killed kernel is soon back, so that it is not worth while to wait longer and longer for it. */
const impatient = {
  reconnectBaseDelay: Duration.millis(100),
  reconnectMaxDelay: Duration.seconds(1),
  maxConnectionAttemptsPerMinute: 1_000,
  maxHandshakesPerMinute: 1_000
}

/**
 * What a kernel may have otherwise.
 */
export interface Choices {
  /** The seed of its key, in hexadecimal; without it the store keeps one of its own. */
  readonly keySeed?: string
  readonly options?: typeof RemotesConfig.Options.Encoded
}

/**
 * Everything above the store, with the addresses to listen at. It wants the kernel's `KernelPort`.
 */
export const layerRemotes = (listen: ReadonlyArray<string>, { keySeed, options }: Choices = {}) =>
  RemotesDurable.layer.pipe(
    Layer.provideMerge(TransportLinks.layer),
    Layer.provideMerge(ConnectionFactoryLibp2p.layer({ listen })),
    Layer.provideMerge(RemoteIdentityStored.layer(keySeed === undefined ? {} : { keySeed: Redacted.make(keySeed) })),
    Layer.provide(RemotesConfig.layer({ ...impatient, ...options }))
  )
