package events

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

func TestNodeNote(t *testing.T) {
	at := timestamppb.New(time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local))
	for want, n := range map[string]*tcpb.EventsNode{
		"b is silent: it does not answer":                       {Node: "b", Error: "it does not answer"},
		"b answers again":                                       {Node: "b", Back: true},
		"b answers again; it remembers nothing before 12:00:00": {Node: "b", Back: true, LostBefore: at},
		"b was started again, or has no room for all that happens; it remembers nothing before 12:00:00": {Node: "b", LostBefore: at},
	} {
		if got := nodeNote(n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
