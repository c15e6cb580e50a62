// Package scenario names the runs of the suite: which nemeses break the
// cluster, how long, how many at a time, and what a run must have seen to count.
package scenario

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/line"
	"github.com/sipcluster/sipcluster/jepsen/nemesis"
)

// Scenario is a kind of run.
type Scenario struct {
	Name, What string
	// Nodes of the cluster; 0 means 3. Spares are further nodes that join later.
	Nodes, Spares int
	// Disks puts each data directory on a small file system of its own.
	Disks bool
	// Freezes: the data directories are on file systems that can be frozen.
	Freezes bool
	// Upgrades: there is a second program, which knows one feature level more.
	Upgrades bool
	// Clocks: the servers' wall clocks can be set wrong.
	Clocks bool
	// Tracks break the cluster side by side.
	Tracks []Track
	// Secured: everybody is asked who he is.
	Secured bool
	// Movable: nodes can get other addresses.
	Movable bool
	// Trip is the longest round trip between two nodes, by lines that are Path in the
	// beginning and between strikes. 0: no lines.
	Trip time.Duration
	Path line.Path
	// Carriers: the clients are carriers, telephones that call by them, and phones that
	// transfer calls, and nobody else but administrators.
	Carriers bool
	// Rings: processes and SIP ports are left alone, so that a call that rings
	// for long must have been answered.
	Rings bool
	// Restores of the configuration from a snapshot that a run must have seen.
	Restores int
	// LeaderChanges and Unknown outcomes that a run must have seen.
	LeaderChanges, Unknown int
	// Seen is what else a run must have seen, and how often.
	Seen map[history.Sight]int
}

// Track is one sequence of attacks.
type Track struct {
	Nemeses []string
	// Holds are the lengths to choose from; longer ones than the run are left out.
	Holds []time.Duration
	// Gap between two attacks, at least and at most. The bounds of convergence
	// are judged in it.
	Gap [2]time.Duration
}

const ms = time.Millisecond

var (
	cutHolds    = []time.Duration{500 * ms, 2 * time.Second, 4 * time.Second, 8 * time.Second, 12 * time.Second}
	longHolds   = []time.Duration{12 * time.Second, 35 * time.Second, 90 * time.Second, 150 * time.Second}
	killHolds   = []time.Duration{0, 300 * ms, 2 * time.Second, 6 * time.Second}
	pauseHolds  = []time.Duration{300 * ms, 800 * ms, 2 * time.Second, 6 * time.Second, 9 * time.Second}
	frozenHolds = []time.Duration{time.Second, 4 * time.Second, 7 * time.Second, 10 * time.Second}
	brief       = [2]time.Duration{200 * ms, 3 * time.Second}
	settling    = [2]time.Duration{3 * time.Second, 6 * time.Second}
	restarting  = [2]time.Duration{4 * time.Second, 12 * time.Second}
)

// All scenarios.
func All() []Scenario {
	return []Scenario{
		{Name: "quiet", What: "nothing breaks: whatever is found is a false alarm or a fault in peace", Rings: true},
		{Name: "cuts", What: "cuts of every shape, with time to come together", Rings: true, Restores: 1, Tracks: []Track{
			{[]string{"cut-one", "halves", "bridge", "cut-pair", "one-way"}, cutHolds, settling}}},
		{Name: "long-cuts", What: "cuts that outlast gossip's memory", Rings: true, Restores: 1, Tracks: []Track{
			{[]string{"cut-one", "halves", "cut-pair"}, longHolds, settling}}},
		{Name: "pair-cuts", What: "two nodes hear a third one and not each other, while phones and agents move among them", Rings: true, Tracks: []Track{
			{[]string{"cut-pair", "bridge"}, cutHolds[2:], settling}}},
		{Name: "leader-cuts", What: "the leader is cut off, again and again", Rings: true, Restores: 1, LeaderChanges: 1, Tracks: []Track{
			{[]string{"cut-leader"}, cutHolds[1:4], settling}}},
		{Name: "half-minute", What: "one node is cut off for longer than gossip remembers it", Rings: true, Restores: 1, Tracks: []Track{
			{[]string{"cut-one"}, []time.Duration{25 * time.Second}, settling}}},
		{Name: "ports", What: "one port alone", Tracks: []Track{
			{[]string{"gossip-port", "cluster-port", "sip-port"}, cutHolds, settling}}},
		{Name: "weather", What: "packet loss and links that flap", Tracks: []Track{
			{[]string{"loss", "flapping"}, cutHolds, settling}}},
		{Name: "kills", What: "kill -9 of one, the leader, all", LeaderChanges: 1, Tracks: []Track{
			{[]string{"kill", "kill-leader", "kill-all"}, killHolds, restarting}}},
		{Name: "crashes", What: "kill -9 of the leader or of all, so that another one leads", LeaderChanges: 1, Tracks: []Track{
			{[]string{"kill-leader", "kill-all"}, killHolds[:3], restarting}}},
		{Name: "pauses", What: "SIGSTOP shorter and longer than the loss bound", Tracks: []Track{
			{[]string{"pause", "pause-leader"}, pauseHolds, settling}}},
		{Name: "pause-and-cut", What: "a node stands still while another one is cut off, so that gossip has more to do", Tracks: []Track{
			{[]string{"pause"}, pauseHolds[3:], settling},
			{[]string{"cut-one", "cut-pair"}, cutHolds[1:3], brief}}},
		{Name: "restarts", What: "all nodes restarted in good order", LeaderChanges: 1, Tracks: []Track{
			{[]string{"rolling-restart"}, killHolds, restarting}}},
		{Name: "upgrades", What: "nodes are replaced by a program that knows one feature level more, and back", Upgrades: true, Tracks: []Track{
			{[]string{"upgrade"}, cutHolds[1:4], brief}}},
		{Name: "disks", What: "full disks", Disks: true, Tracks: []Track{
			{[]string{"full-disk"}, cutHolds, restarting}}},
		{Name: "disk-kills", What: "full disks of nodes that are then killed", Disks: true, Tracks: []Track{
			{[]string{"full-disk-kill"}, cutHolds[2:4], restarting}}},
		{Name: "leader-disk", What: "the leader's disk fills up behind writes that are under way", Disks: true, Tracks: []Track{
			{[]string{"full-disk-leader"}, cutHolds[1:4], restarting}}},
		{Name: "frozen-disks", What: "disks that do not answer: of a follower, of the leader, of all in turn", Freezes: true, Tracks: []Track{
			{[]string{"frozen-disk", "frozen-disk-leader", "frozen-disk-leader", "frozen-disks"}, frozenHolds, settling}}},
		{Name: "frozen-stops", What: "nodes are told to stop while their disks do not answer", Freezes: true, Tracks: []Track{
			{[]string{"frozen-disk-stop"}, frozenHolds[:3], restarting}}},
		{Name: "lost-disks", What: "data directories are lost; nodes come back as new ones", Restores: 1, Tracks: []Track{
			{[]string{"lost-disk"}, killHolds, restarting}}},
		{Name: "recoveries", What: "the majority is lost for good; a survivor is recovered, the others come back to it", Tracks: []Track{
			{[]string{"majority-lost"}, killHolds, restarting}}},
		{Name: "backups", What: "backups of any node are restored while nodes are killed and cut off", Tracks: []Track{
			{[]string{"backup-restore"}, cutHolds[:4], brief},
			{[]string{"cut-one", "cut-leader", "cut-pair", "kill", "pause"}, cutHolds[:3], settling}}},
		{Name: "lost-locations", What: "the stores of bindings are lost; nodes come back without registrations", Tracks: []Track{
			{[]string{"lost-location"}, killHolds, restarting}}},
		{Name: "clocks", What: "wrong wall clocks, also while nodes restart", Clocks: true, Tracks: []Track{
			{[]string{"clock"}, cutHolds, settling},
			{[]string{"kill", "cut-one"}, killHolds, restarting}}},
		{Name: "joins", What: "a node joins and is removed while the network breaks", Spares: 1, Tracks: []Track{
			{[]string{"join"}, cutHolds, settling},
			{[]string{"cut-one", "cut-pair", "loss", "one-way"}, cutHolds[:3], settling}}},
		{Name: "zombie", What: "a node is removed while it is down, for 90 s and more when the run is that long, and started again", Tracks: []Track{
			{[]string{"removed-while-down"}, []time.Duration{95 * time.Second}, restarting}}},
		{Name: "drains", What: "nodes drain for a while, and take part again", Tracks: []Track{
			{[]string{"drain"}, cutHolds[:4], settling}}},
		{Name: "lies", What: "a false peer says what it has no right to say", Tracks: []Track{
			{[]string{"liar"}, cutHolds[1:4], restarting}}},
		{Name: "rotations", What: "all keys, the authority and a token change, again and again, and nobody notices", Secured: true, Spares: 1, Rings: true, Tracks: []Track{
			{[]string{"rotate"}, []time.Duration{0}, brief}}},
		{Name: "cut-rotations", What: "a cut in the middle of a rotation, as long as the run", Secured: true, Spares: 1, Rings: true, Tracks: []Track{
			{[]string{"cut-rotation"}, []time.Duration{10 * time.Minute}, settling}}},
		{Name: "secured-lies", What: "as lies, by a node's own key", Secured: true, Spares: 1, Tracks: []Track{
			{[]string{"liar"}, cutHolds[1:3], restarting}}},
		{Name: "moves", What: "nodes move to other addresses, one, two that change places, or all", Movable: true, Seen: seen(history.Moves), Tracks: []Track{
			{[]string{"move-one", "move-all", "swap-addresses", "swap-addresses", "take-address"}, killHolds[:3], settling}}},
		{Name: "address-of-the-dead", What: "one of five is dead, another has its address, and two are cut away: two of five decide nothing", Nodes: 5, Movable: true, Seen: seen(history.Moves), Tracks: []Track{
			{[]string{"take-and-cut"}, cutHolds[1:4], restarting}}},
		{Name: "clones", What: "copies of nodes start beside them, and in their places", Movable: true, Seen: seen(history.Moves, history.SecondStarts), Tracks: []Track{
			{[]string{"clone"}, killHolds[:3], restarting}}},
		{Name: "removals", What: "followers and leaders are removed, down to one node, while the network breaks and nodes die", LeaderChanges: 1, Seen: seen(history.Removals), Tracks: []Track{
			{[]string{"remove", "remove-leader", "remove-to-one"}, killHolds[:3], restarting},
			{[]string{"cut-one", "cut-pair", "one-way", "kill"}, cutHolds[:3], settling}}},
		{Name: "leader-stops", What: "the leader stops in good order, again and again", LeaderChanges: 1, Seen: seen(history.HandOvers), Tracks: []Track{
			{[]string{"stop-leader"}, killHolds[:3], restarting}}},
		{Name: "far", What: "cuts and kills among nodes that are a continent apart", Trip: 280 * ms, Path: nemesis.Far, Tracks: []Track{
			{[]string{"cut-one", "halves", "cut-pair", "one-way", "kill"}, cutHolds[2:], settling}}},
		{Name: "stretch", What: "near nodes become far ones, and near again", Trip: 280 * ms, Tracks: []Track{
			{[]string{"far"}, cutHolds[2:], settling}}},
		{Name: "reroute", What: "the round trip jumps from 20 to 300 ms and back", Trip: 310 * ms, Path: line.Path{Delay: 10 * ms}, Tracks: []Track{
			{[]string{"reroute"}, cutHolds[1:], brief}}},
		{Name: "narrow", What: "lines of 256 kbit/s, again and again", Trip: 500 * ms, Path: line.Path{Delay: 10 * ms}, Tracks: []Track{
			{[]string{"narrow"}, cutHolds[1:], settling}}},
		{Name: "asymmetric", What: "what a node sends takes longer than what it gets", Trip: 210 * ms, Path: line.Path{Delay: 10 * ms}, Tracks: []Track{
			{[]string{"asymmetric"}, cutHolds[1:], settling}}},
		{Name: "carriers", What: "cuts and kills while carriers come and go, nodes register at one, and phones transfer calls", Carriers: true, Tracks: []Track{
			{[]string{"cut-one", "cut-one", "halves", "cut-pair", "kill", "kill-leader"}, cutHolds[2:], settling}}},
		{Name: "carriers-in-peace", What: "the same, and nothing breaks but the carriers", Carriers: true},
		{Name: "storm", What: "cuts and process faults at a time", Tracks: []Track{
			{[]string{"cut-one", "halves", "cut-pair", "one-way", "flapping", "loss"}, cutHolds, brief},
			{[]string{"kill", "kill-leader", "pause"}, killHolds, restarting}}},
		{Name: "mix", What: "one fault of any kind after the other", Tracks: []Track{
			{[]string{"cut-one", "halves", "bridge", "cut-pair", "one-way", "gossip-port", "cluster-port", "loss",
				"flapping", "kill", "kill-leader", "pause"}, cutHolds, settling}}},
	}
}

// seen wants each of them once.
func seen(all ...history.Sight) map[history.Sight]int {
	out := map[history.Sight]int{}
	for _, s := range all {
		out[s] = 1
	}
	return out
}

// Find returns the scenario of that name, nil when there is none.
func Find(name string) *Scenario {
	for _, s := range All() {
		if s.Name == name {
			return &s
		}
	}
	return nil
}

// Run is a scenario to be played once.
type Run struct {
	Scenario string
	// Seed of its choices and how long it breaks the cluster; 0: as the runner says.
	Seed uint64
	For  time.Duration
}

// Short are the runs of CI: drains and cuts by choices that are the same each time, which
// try what people notice (S20 to S22, S26), and others by the seed.
func Short(seed uint64) []Run {
	turns, secured := []string{"cuts", "crashes", "drains"}, []string{"rotations", "cut-rotations", "secured-lies"}
	return []Run{
		{Scenario: "drains", Seed: 1}, {Scenario: "cuts", Seed: 5},
		{Scenario: "storm"}, {Scenario: turns[seed%uint64(len(turns))]},
		{Scenario: secured[seed%uint64(len(secured))], For: 12 * time.Second},
	}
}

// Regressions are the runs that are kept because of bugs that were found.
func Regressions() []Run {
	return []Run{
		{"leader-disk", 0, 40 * time.Second}, {"pause-and-cut", 0, 40 * time.Second}, {"zombie", 0, 100 * time.Second},
		{"cuts", 924853, 25 * time.Second}, {"cuts", 5, 25 * time.Second}, {"storm", 28899, 25 * time.Second},
	}
}

// Explore are the scenarios that an exploratory run chooses from; what is
// named more often comes more often.
func Explore() []string {
	return []string{"cuts", "cuts", "long-cuts", "ports", "weather", "kills", "kills", "pauses", "pause-and-cut", "restarts",
		"upgrades", "disks", "disk-kills", "frozen-disks", "frozen-stops", "leader-disk", "leader-cuts", "lost-disks", "recoveries", "backups", "lost-locations", "clocks", "joins", "zombie", "lies", "drains", "rotations", "cut-rotations", "secured-lies",
		"moves", "address-of-the-dead", "clones", "removals", "leader-stops", "far", "far", "reroute", "asymmetric", "narrow", "carriers", "carriers", "storm", "storm", "storm", "mix", "mix"}
}

// Hold chooses a length that fits into what is left of the run.
func (t *Track) Hold(r *rand.Rand, left time.Duration) time.Duration {
	fits := slices.DeleteFunc(slices.Clone(t.Holds), func(d time.Duration) bool { return d > left })
	if len(fits) == 0 {
		return left
	}
	return fits[r.IntN(len(fits))]
}

// Pause chooses the time between two attacks.
func (t *Track) Pause(r *rand.Rand) time.Duration {
	return t.Gap[0] + time.Duration(r.Int64N(int64(t.Gap[1]-t.Gap[0])+1))
}
