// Package e2e runs real clusters of sipcluster processes with real SIP
// phones (sipp, baresip, sipsak) and real cuts, and checks what a user would see.
//
// Tests that have a cluster of their own, take long, and mostly wait, run two at a time
// behind the others, which share one cluster.
package e2e
