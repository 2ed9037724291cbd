/**
 * When to give a peer up by itself: a policy, and what has been seen of the peer since something waits for it.
 *
 * Only the lack of contact counts, and only while something is pending; a handshake is contact.
 *
 * @since 0.1.0
 */

/**
 * - `Never`: messages wait for as long as it takes.
 * - `AfterAttempts`: that many attempts in a row to connect failed.
 * - `After`: there was no contact for so long (ms).
 *
 * @since 0.1.0
 * @category models
 */
export type Policy =
  | { readonly _tag: "Never" }
  | { readonly _tag: "AfterAttempts"; readonly attempts: number }
  | { readonly _tag: "After"; readonly millis: number }

/**
 * What has been seen while something was pending and there was no contact.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly attempts: number
  /** Since when (ms); undefined while there is contact or nothing is pending. */
  readonly since: number | undefined
}

/**
 * - `Waiting`: something is pending, and there is no contact.
 * - `Failed`: likewise, and an attempt to connect has just failed.
 * - `Contact`: the peer finished a handshake.
 * - `Rest`: nothing is pending, or the link is closed on purpose.
 *
 * @since 0.1.0
 * @category models
 */
export type Event = "Waiting" | "Failed" | "Contact" | "Rest"

/**
 * What to do: nothing until something else happens, or until a time (ms), or give up.
 *
 * @since 0.1.0
 * @category models
 */
export type Decision =
  | { readonly _tag: "Wait"; readonly until: number | undefined }
  | { readonly _tag: "GiveUp"; readonly reason: string }

/**
 * @since 0.1.0
 * @category constructors
 */
export const initial: State = { attempts: 0, since: undefined }

/**
 * @since 0.1.0
 * @category combinators
 */
export const step = (state: State, event: Event, now: number): State => {
  switch (event) {
    case "Waiting":
      return state.since === undefined ? { ...state, since: now } : state
    case "Failed":
      return { attempts: state.attempts + 1, since: state.since ?? now }
    case "Contact":
    case "Rest":
      return initial
  }
}

const wait: Decision = { _tag: "Wait", until: undefined }

/**
 * @since 0.1.0
 * @category combinators
 */
export const decide = (policy: Policy, { attempts, since }: State, now: number): Decision => {
  if (since === undefined) return wait
  switch (policy._tag) {
    case "Never":
      return wait
    case "AfterAttempts":
      return attempts < policy.attempts
        ? wait
        : { _tag: "GiveUp", reason: `${attempts} attempts in a row to connect failed` }
    case "After":
      return now < since + policy.millis
        ? { _tag: "Wait", until: since + policy.millis }
        : { _tag: "GiveUp", reason: `no contact for ${(now - since) / 1000} s` }
  }
}
