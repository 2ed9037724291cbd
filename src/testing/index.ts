/**
 * What users test their kernels with.
 *
 * @since 0.1.0
 */

/**
 * Channels over a simulated network.
 *
 * @since 0.1.0
 */
export * as ConnectionFactoryMemory from "../layers/ConnectionFactoryMemory.ts"

/**
 * A simulated network with faults on command.
 *
 * @since 0.1.0
 */
export * as Network from "./Network.ts"
