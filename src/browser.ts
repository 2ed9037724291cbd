/**
 * What of the library runs in a browser: all of it but TCP, listening, and relay servers.
 *
 * @since 0.1.0
 */

/**
 * What can be wrong with the names by which peers are found.
 *
 * @since 0.1.0
 */
export * as AddressError from "./errors/AddressError.ts"

/**
 * What can be wrong with options.
 *
 * @since 0.1.0
 */
export * as ConfigError from "./errors/ConfigError.ts"

/**
 * What a dial and a stream can fail with.
 *
 * @since 0.1.0
 */
export * as ConnectionError from "./errors/ConnectionError.ts"

/**
 * Opens and accepts channels; the lowest room.
 *
 * @since 0.1.0
 */
export * as ConnectionFactory from "./services/ConnectionFactory.ts"

/**
 * Channels over libp2p, from a browser.
 *
 * @since 0.1.0
 */
export * as ConnectionFactoryBrowser from "./layers/ConnectionFactoryBrowser.ts"

/**
 * Channels over a simulated network, for tests.
 *
 * @since 0.1.0
 */
export * as ConnectionFactoryMemory from "./layers/ConnectionFactoryMemory.ts"

/**
 * What one kernel says to another.
 *
 * @since 0.1.0
 */
export * as Delivery from "./protocol/Delivery.ts"

/**
 * What can be wrong with who a kernel is, and with OCAP URLs.
 *
 * @since 0.1.0
 */
export * as IdentityError from "./errors/IdentityError.ts"

/**
 * The one service that the host kernel provides.
 *
 * @since 0.1.0
 */
export * as KernelPort from "./services/KernelPort.ts"

/**
 * OCAP URLs.
 *
 * @since 0.1.0
 */
export * as OcapUrl from "./protocol/OcapUrl.ts"

/**
 * Who a peer kernel is.
 *
 * @since 0.1.0
 */
export * as PeerId from "./protocol/PeerId.ts"

/**
 * How a message, or a question to a peer, can end other than well.
 *
 * @since 0.1.0
 */
export * as RemoteError from "./errors/RemoteError.ts"

/**
 * The kernel's view of one peer.
 *
 * @since 0.1.0
 */
export * as RemoteHandle from "./services/RemoteHandle.ts"

/**
 * Who this kernel is.
 *
 * @since 0.1.0
 */
export * as RemoteIdentity from "./services/RemoteIdentity.ts"

/**
 * An identity kept in the store.
 *
 * @since 0.1.0
 */
export * as RemoteIdentityStored from "./layers/RemoteIdentityStored.ts"

/**
 * The set of a kernel's remotes.
 *
 * @since 0.1.0
 */
export * as Remotes from "./services/Remotes.ts"

/**
 * The options of the library.
 *
 * @since 0.1.0
 */
export * as RemotesConfig from "./services/RemotesConfig.ts"

/**
 * Remotes whose messages survive crashes.
 *
 * @since 0.1.0
 */
export * as RemotesDurable from "./layers/RemotesDurable.ts"

/**
 * The durable state.
 *
 * @since 0.1.0
 */
export * as RemoteStore from "./services/RemoteStore.ts"

/**
 * A store in memory.
 *
 * @since 0.1.0
 */
export * as RemoteStoreMemory from "./layers/RemoteStoreMemory.ts"

/**
 * What the store can fail with.
 *
 * @since 0.1.0
 */
export * as StoreError from "./errors/StoreError.ts"

/**
 * One link to each peer.
 *
 * @since 0.1.0
 */
export * as Transport from "./services/Transport.ts"

/**
 * What a link can fail with.
 *
 * @since 0.1.0
 */
export * as TransportError from "./errors/TransportError.ts"

/**
 * Links as actors, one fiber for each peer.
 *
 * @since 0.1.0
 */
export * as TransportLinks from "./layers/TransportLinks.ts"
