package node

import (
	"fmt"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/cdr"
)

// openRecords opens the files of the records of calls; what is to be told what happens to
// calls is nil where there are none.
func (n *Node) openRecords() (func(call.Note), error) {
	r := n.cfg.Records
	if r.Dir == "" {
		return nil, nil
	}
	var err error
	n.records, err = cdr.New(cdr.Config{
		Node: n.cfg.Name, Site: n.cfg.Site, Name: n.nameOf, Dir: r.Dir, Size: r.Size, Keep: r.Keep,
		Up:   func(id call.ID) bool { _, up := n.calls.Get(id); return up },
		Hook: r.Hook, TokenFile: r.HookTokenFile, Problems: n.problems, Log: n.log,
	})
	if err != nil {
		return nil, fmt.Errorf("--call-records: %w", err)
	}
	return n.records.Note, nil
}

// recordSource gives the numbers of the records of calls to /metrics.
type recordSource struct{ r *cdr.Recorder }

// Samples implements api.Source.
func (s recordSource) Samples(emit func(api.Sample)) {
	if s.r == nil {
		return
	}
	st := s.r.Stats()
	for _, c := range []struct {
		name, help string
		value      uint64
	}{
		{"call_records_total", "Records of calls that were written to files.", st.Written},
		{"call_records_lost_total", "Records that no file has, and changes of calls whose record is incomplete for that.", st.Lost},
		{"call_records_sent_total", "Records that the web server has taken.", st.Sent},
		{"call_records_unsent_total", "How often files were deleted before the web server had taken what is in them.", st.Unsent},
		{"call_records_failed_total", "Attempts to send records that the web server did not take.", st.Failed},
	} {
		emit(api.Sample{Name: c.name, Help: c.help, Counter: true, Value: float64(c.value)})
	}
}
