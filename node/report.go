package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// maxReport is the greatest report that another node is believed, in bytes.
const maxReport = 8 * api.MaxReportText

// report is what this node says of itself to whoever looks for a fault from afar. Nothing
// in it is a secret: the settings are those that settings names, goroutines are told
// without their arguments, and the log has none.
func (n *Node) report() []*tcpb.ReportFile {
	files := []*tcpb.ReportFile{
		api.ReportText("program.txt", n.program()),
		api.ReportText("settings.json", n.settings()),
		api.ReportText("metrics.txt", n.metricsText()),
		api.ReportText("goroutines.txt", goroutines()),
	}
	if n.cfg.RecentLog != nil {
		files = append(files, api.ReportTail("log.txt", n.cfg.RecentLog()))
	}
	return files
}

// program is which one runs, of what it was made, and on what.
func (n *Node) program() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "version %s\nstarted %s\nup %s\n%s %s/%s, %d of %d processors\n\n", n.cfg.Version, n.started.UTC().Format(time.RFC3339),
		time.Since(n.started).Round(time.Second), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.NumCPU())
	if info, ok := debug.ReadBuildInfo(); ok {
		b.WriteString(info.String())
	}
	return b.Bytes()
}

// settings are those of this node that are not secret: what is not named here stays out.
func (n *Node) settings() []byte {
	c := &n.cfg
	b, err := json.MarshalIndent(map[string]any{
		"node": c.Name, "site": c.Site, "data_dir": c.DataDir, "bind": c.Bind, "advertise": c.Advertise, "realm": c.Realm,
		"sip_addr": c.SIPAddr, "sip_tls_addr": c.TLSAddr, "sip_ws_addr": c.WSAddr, "sip_wss_addr": c.WSSAddr, "sip_ws_origins": c.Origins,
		"default_addr": c.DefaultAddr, "tc_addr": c.TCAddr, "cluster_addr": c.ClusterAddr, "gossip_addr": c.GossipAddr, "http_addr": c.HTTPAddr,
		"bootstrap": c.Bootstrap, "join": c.Join, "join_timeout": c.JoinTimeout.String(), "accept_recovery": c.AcceptRecovery,
		"backups": c.BackupDir != "", "backup_every": c.BackupEvery.String(), "backup_keep": c.BackupKeep, "backups_sealed": c.BackupPassphraseFile != "", "call_records": c.Records.Dir != "", "call_records_sent": c.Records.Hook != "", "call_trace_memory": c.CallTrace, "history_events": c.HistoryEvents,
		"cluster_key": len(c.ClusterKey) > 0, "insecure": c.Insecure, "link_timeout": c.LinkTimeout.String(), "sip_rate": c.SIPRate,
		"snapshot_after": c.SnapshotAfter, "dev": c.Dev, "debug": c.Debug,
	}, "", "  ")
	if err != nil {
		return []byte(err.Error())
	}
	return append(b, '\n')
}

func (n *Node) metricsText() []byte {
	var b bytes.Buffer
	if err := api.WriteMetrics(&b, n.shownByHTTP()); err != nil {
		fmt.Fprintf(&b, "# %v\n", err)
	}
	return b.Bytes()
}

// goroutines are counted by where they stand.
func goroutines() []byte {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		fmt.Fprintf(&b, "# %v\n", err)
	}
	return b.Bytes()
}
