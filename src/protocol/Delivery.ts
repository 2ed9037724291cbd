/**
 * What one kernel says to another. References and capability data are opaque to this layer; only their shape is checked.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Capability data: a serialised body and the references in it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CapData = Schema.Struct({ body: Schema.String, slots: Schema.Array(Schema.String) })

/**
 * @since 0.1.0
 * @category models
 */
export type CapData = typeof CapData.Type

/**
 * Calls `target`; the answer settles the promise `result`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.TaggedStruct("Message", {
  target: Schema.String,
  methargs: CapData,
  result: Schema.String
})

/**
 * Settles promises: each with whether it is rejected, and with what.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Notify = Schema.TaggedStruct("Notify", {
  resolutions: Schema.Array(Schema.Struct({ promise: Schema.String, rejected: Schema.Boolean, value: CapData }))
})

/**
 * The sender no longer reaches these objects of the receiver.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DropExports = Schema.TaggedStruct("DropExports", { refs: Schema.Array(Schema.String) })

/**
 * The sender will never name these objects of the receiver again.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RetireExports = Schema.TaggedStruct("RetireExports", { refs: Schema.Array(Schema.String) })

/**
 * These objects of the sender are gone.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RetireImports = Schema.TaggedStruct("RetireImports", { refs: Schema.Array(Schema.String) })

/**
 * Asks the receiver to look which of the sender's objects it can let go.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BringOutYourDead = Schema.TaggedStruct("BringOutYourDead", {})

/**
 * One delivery, of one of the six kinds.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Delivery = Schema.Union(Message, Notify, DropExports, RetireExports, RetireImports, BringOutYourDead)

/**
 * @since 0.1.0
 * @category models
 */
export type Delivery = typeof Delivery.Type
