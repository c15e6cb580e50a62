// Package proxy is the record-routing stateful proxy (RFC 3261 §16): it takes
// the requests that are neither REGISTER nor OPTIONS of the port itself, gives
// each new INVITE to a Caller, who says where it goes, and passes what follows
// within the dialog by its Route alone. The gate of package sip hands it
// messages; it sends by the exits of package wire and knows no socket, no
// registrar and no routing.
//
// proxy.go and fresh.go sort what arrives, callers.go finds out who asks, calls.go
// begins a call, call.go is a new INVITE as the call plane sees it, target.go
// tells where it goes, attempt.go and branch.go send it there, relay.go passes
// what follows, path.go where to; route.go and token.go say what a Route means.
package proxy
