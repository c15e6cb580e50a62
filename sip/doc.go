// Package sip is the node's SIP port: it puts together the rooms that serve it
// and is the only one that knows sipgo. The node calls New and Run.
//
//	wire       sockets and connections: from bytes to whole messages and back
//	guard      whose hosts, whose digest, how much that is new
//	registrar  REGISTER, the fast way too, and the end of registrations
//	proxy      calls and all else that is not for the port itself
//	answer     what is said to a request, and the counts of it
//	message, digest, location, transaction   what these are made of
//
// A message takes one of three ways. The wire hands it to the gate (Serve). The
// boring REGISTER of a phone over UDP is recognised first and takes the fast way
// (registrar.Fast). Every other message is read and checked, and what is broken
// is answered. With Config.Calls everything but REGISTER and OPTIONS goes to the
// proxy; the rest goes tidy through sipgo to a handler (handlers.go), and a
// REGISTER from there to the same registrar.
package sip
