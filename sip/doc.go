// Package sip is the node's SIP port: it receives what phones send, checks it,
// authenticates REGISTER, keeps the bindings of the DNs that are registered
// at this node, and passes calls on. It is the only package that knows sipgo,
// which serves the transports and what is no call; the node calls New and Run.
//
// A message takes one of two ways. Every message is first read and checked by
// package message, which answers what is broken, and then goes through sipgo to
// a handler. The boring REGISTER of a phone over UDP is recognised before that
// and takes the fast way. Both end in the same registrar. Where to look:
// udp.go and tcp.go have the listeners, gate.go the checks, fast.go and
// handlers.go the two ways, registrar.go and decide.go RFC 3261 section 10.3,
// upkeep.go what ends registrations without a request.
//
// With Config.Calls the gate gives everything but REGISTER and OPTIONS to the
// proxy (RFC 3261 section 16), which has transactions of its own, in package
// transaction. proxy.go sorts what arrives, proxy_fresh.go finds out who asks,
// call.go is a new INVITE as the call plane sees it, attempt.go and branch.go
// send it on, relay.go passes what follows within the dialog by its Route
// alone, route.go and token.go say what a Route means.
package sip
