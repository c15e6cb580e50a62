package consensus

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/voters"
)

// The figures of Raft that are promised: a write without a majority is refused
// within 2 s, and a leader that is cut off gives up after 1 s.
func TestSettings(t *testing.T) {
	c, err := required(Config{}).checked()
	if err != nil {
		t.Fatal(err)
	}
	g := &Group{cfg: c}
	r := g.raftConfig()
	if err := raft.ValidateConfig(r); err != nil {
		t.Error(err)
	}
	for what, c := range map[string][2]any{
		"a request in all":             {c.Timeout, 1800 * time.Millisecond},
		"id":                           {r.LocalID, raft.ServerID("id-a")},
		"heartbeat timeout":            {r.HeartbeatTimeout, 2 * time.Second},
		"election timeout":             {r.ElectionTimeout, 2 * time.Second},
		"leader's lease":               {r.LeaderLeaseTimeout, time.Second},
		"commit timeout":               {r.CommitTimeout, time.Second},
		"entries at a time":            {r.MaxAppendEntries, 256},
		"batches":                      {r.BatchApplyCh, true},
		"a snapshot after":             {r.SnapshotThreshold, uint64(4096)},
		"entries kept behind":          {r.TrailingLogs, uint64(10240)},
		"pre-vote is off":              {r.PreVoteDisabled, false},
		"a removed node stops by Raft": {r.ShutdownOnRemove, raft.DefaultConfig().ShutdownOnRemove},
		"telemetry of old":             {r.NoLegacyTelemetry, true},
		"the first snapshot every":     {r.SnapshotInterval, 2 * time.Minute},
		"Raft's own timeout":           {raftTimeout, 10 * time.Second},
		"snapshots kept":               {keptSnapshots, 2},
		"voters":                       {voters.DefaultMax, 5},
		"a closing plane waits":        {closeTimeout, 5 * time.Second},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %v, want %v", what, c[0], c[1])
		}
	}
	c.Election, c.Timeout = 4*time.Second, time.Second
	if c, err = c.checked(); err != nil || c.Timeout != time.Second {
		t.Errorf("a timeout that is given is %v (%v)", c.Timeout, err)
	}
	if r := (&Group{cfg: c}).raftConfig(); r.LeaderLeaseTimeout != 2*time.Second || r.ElectionTimeout != 4*time.Second {
		t.Errorf("with an election of 4 s: %v, lease %v", r.ElectionTimeout, r.LeaderLeaseTimeout)
	}
}

// Every field without a default is asked for.
func TestConfig_AsksForWhatIsRequired(t *testing.T) {
	for name, without := range map[string]func(*Config){
		"Dir": func(c *Config) { c.Dir = "" }, "Self": func(c *Config) { c.Self = nil }, "Self's id": func(c *Config) { c.Self = &configpb.Node{Name: "a"} },
		"Machine": func(c *Config) { c.Machine = nil }, "Listener": func(c *Config) { c.Listener = nil },
		"Dial": func(c *Config) { c.Dial = nil }, "DialGRPC": func(c *Config) { c.DialGRPC = nil },
	} {
		c := required(Config{})
		without(&c)
		if _, err := c.checked(); err == nil {
			t.Errorf("without %s it is taken", name)
		}
	}
}

// required is the least that a Group wants.
func required(c Config) Config {
	c.Dir, c.Self, c.Machine, c.Listener = "d", &configpb.Node{Id: "id-a"}, &fsm.Machine{}, &net.TCPListener{}
	c.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	c.DialGRPC = func(string, string) (*grpc.ClientConn, error) { return nil, net.ErrClosed }
	return c
}
