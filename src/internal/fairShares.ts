/**
 * How many of what each has may be kept, if all together may keep `max`: nobody loses anything for the sake of one who keeps more.
 *
 * @internal
 */
export const fairShares = <Who>(counts: ReadonlyMap<Who, number>, max: number): ReadonlyMap<Who, number> => {
  const fewestFirst = [...counts].sort(([, one], [, other]) => one - other)
  const shares = new Map<Who, number>()
  let room = max
  fewestFirst.forEach(([who, count], index) => {
    const share = Math.min(count, Math.floor(room / (fewestFirst.length - index)))
    shares.set(who, share)
    room -= share
  })
  return shares
}
