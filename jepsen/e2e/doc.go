// Package e2e runs real clusters of sipcluster processes with real SIP
// phones (sipp, baresip, sipsak) and real cuts, and checks what a user would see.
package e2e
