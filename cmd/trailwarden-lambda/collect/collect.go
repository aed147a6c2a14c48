// Package collect says how seldom the function collects garbage. It is imported for its effect, which is why it is a package of its
// own: it imports next to nothing, so that Go initialises it before the AWS SDK. What the SDK's packages make of themselves would
// else be collected once or twice before main begins, and each time costs a cold start milliseconds (docs/benchmarks.md).
package collect

import "runtime/debug"

// A collection in the middle of the first event costs a millisecond of the time in which nothing is recorded; some MB more
// memory avoid it, and the smallest function has 128.
var _ = debug.SetGCPercent(250)
