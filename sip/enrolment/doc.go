// Package enrolment keeps the cluster's accounts at carriers registered, for carriers that
// want to be told where their calls are to go (RFC 3261 §10): for each trunk that has a
// registration one node sends REGISTER, again in time, and takes its contact back when
// another one has the turn.
//
// It writes no SIP: the proxy sends what it asks for, and answers for the account when the
// carrier wants a digest.
package enrolment
