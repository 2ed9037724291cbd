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

/**
 * Whole kernels in a simulation in which everything goes wrong that can.
 *
 * @since 0.1.0
 */
export * as Simulation from "./Simulation.ts"

/**
 * Time that passes when nothing else can happen.
 *
 * @since 0.1.0
 */
export * as VirtualTime from "./VirtualTime.ts"
