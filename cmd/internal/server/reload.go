package server

import (
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// changeable are the settings that a reload takes into use; the others need a restart.
var changeable = []string{"log-level", "sip-rate"}

// settingsOf are the settings of a running node, and where they come from.
type settingsOf struct {
	serverFlags
	flags  *pflag.FlagSet
	given  []string // on the command line
	getenv func(string) string
	file   string
}

// fill takes what the command line left out from elsewhere.
func (s *settingsOf) fill() error {
	s.flags.Visit(func(f *pflag.Flag) { s.given = append(s.given, f.Name) })
	return fill(s.flags, s.getenv, s.file)
}

// check refuses what can't work, and says which file the settings may stand in.
func (s *settingsOf) check() error {
	err := s.serverFlags.check()
	if err != nil && s.file != "" {
		return console.Usagef("%w; the settings are in %s", err, s.file)
	}
	return err
}

// again reads the settings anew, the file foremost.
func (s *settingsOf) again() (*settingsOf, error) {
	next := &settingsOf{flags: pflag.NewFlagSet("server", pflag.ContinueOnError), getenv: s.getenv, file: s.file}
	next.add(next.flags)
	next.flags.String("config", "", "")
	for _, name := range s.given {
		if err := setLike(next.flags, s.flags.Lookup(name)); err != nil {
			return nil, err
		}
	}
	err := next.fill()
	if err == nil {
		err = next.check()
	}
	if err == nil {
		_, err = next.logger(os.Stderr)
	}
	return next, err
}

// setLike gives a flag the value that it has in another set.
func setLike(f *pflag.FlagSet, from *pflag.Flag) error {
	if list, ok := from.Value.(pflag.SliceValue); ok {
		f.Lookup(from.Name).Changed = true
		return f.Lookup(from.Name).Value.(pflag.SliceValue).Replace(list.GetSlice())
	}
	return f.Set(from.Name, from.Value.String())
}

// changes are the names of the settings that others have in another way, apart those
// for which a restart is needed.
func (s *settingsOf) changes(next *settingsOf) (now, restart []string) {
	next.flags.VisitAll(func(f *pflag.Flag) {
		was := s.flags.Lookup(f.Name)
		switch {
		case was == nil || f.Name == "config" || was.Value.String() == f.Value.String():
		case slices.Contains(changeable, f.Name):
			now = append(now, f.Name)
		default:
			restart = append(restart, f.Name)
		}
	})
	return now, restart
}

// reload takes into use what can change; node reads its own files again, and gets the
// rate. What can't be used leaves everything as it is.
func (s *settingsOf) reload(log *slog.Logger, node func(rate int) error) {
	next, err := s.again()
	if err != nil {
		log.Error("the settings can't be used: all stays as it is", "err", err)
		return
	}
	now, restart := s.changes(next)
	for _, name := range now {
		_ = s.flags.Set(name, next.flags.Lookup(name).Value.String()) // it was taken there
	}
	s.level.Set(next.level.Level())
	if err := node(s.sipRate); err != nil {
		log.Error("a file can't be used: the old one stays in use", "err", err)
	}
	log.Info("settings were read again", "changed", now, "log_level", s.level.Level())
	if len(restart) > 0 {
		log.Warn("changed settings wait for a restart of this node", "settings", restart)
	}
}

// toggleDebug begins or ends the log at level debug.
func (s *settingsOf) toggleDebug(log *slog.Logger) {
	var own slog.Level
	_ = own.UnmarshalText([]byte(s.logLevel)) // it was taken at the start
	if s.level.Level() == slog.LevelDebug && own != slog.LevelDebug {
		s.level.Set(own)
	} else {
		s.level.Set(slog.LevelDebug)
	}
	log.Info("the level of the log was switched by a signal", "log_level", s.level.Level())
}

// caught are the signals that end no node: one that asks it to read its settings
// again, one for more of the log, and what the kernel sends to who writes into a pipe
// that nobody reads any more.
func caught() (signals chan os.Signal, end func()) {
	signals = make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGPIPE)
	return signals, func() { signal.Stop(signals) }
}
