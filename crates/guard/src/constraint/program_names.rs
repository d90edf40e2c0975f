//! Names of programs that systems come with.
//!
//! No list of programs is complete, so this is the second wall: what a value may do to a shell is
//! decided by its signs. It keeps out values that are a command from their first word on.
//!
//! # Source
//! POSIX.1-2024, Shell & Utilities; the builtins of bash; GNU coreutils, findutils, inetutils and
//! util-linux; Microsoft's list of Windows commands; interpreters and tools for transfer.

use unicode_normalization::UnicodeNormalization as _;

/// Words that are nothing else in prose: a value that begins with one is a command.
const COMMANDS: &str = " \
    addgroup adduser agetty alias apk apropos apt apt-get aptitude arp arping atq atrm attrib awk aws az base32 \
    base64 basename bash bcdedit bg bitsadmin blkid bunzip2 busctl busybox bzip2 cacls cal cargo cat cd certutil \
    chattr chcon chdir chgrp chkconfig chkdsk chkrootkit chmod chown chpasswd chroot chsh cipher cksum clip cls cmd \
    cmdkey cmp cmstp comm cp cpio cron crontab csc cscript csh csplit ctags curl cxref dbus-send dc dd declare \
    defrag del deltree deno df diff dig dir dircolors dirname dirs diskpart diskshadow dism disown dmesg dnf doas \
    docker dos2unix doskey dpkg driverquery dsquery du dumpcap easy_install echo ed egrep emacs enable env erase \
    esac esentutl eval eventvwr ex exec expect expr fallocate fdisk fg fgrep findmnt findstr finger fish flatpak fmt \
    fold forfiles fping fsck fsutil ftp ftype fuser g++ gawk gcc gcloud gcore gdb gdbus getcap getconf getent \
    getfacl getmac getopts git gitk gpasswd gpg gpresult gpupdate gradle grep groupadd gunzip gzip halt hashrs hd \
    helm hexdump hostid hostname htop hydra icacls iconv id iex ifconfig iftop inetd init insmod installutil iostat \
    ip ipconfig ipcrm ipcs iptables iwconfig java javac jjs jobs journalctl jq jrunscript kextload killall ksh \
    kubectl lastb lastlog launchctl ld ldapsearch ldconfig ldd lftp locale localectl locate loginctl logman logname \
    logoff losetup lp ls lsattr lsb_release lsblk lscpu lshw lsmod lsof lspci lsusb ltrace lua lynx m4 mailx mawk md \
    md5sum mesg mkdir mkfifo mkfs mklink mknod mktemp mmc modprobe mount_smbfs mountvol mpstat msbuild msfconsole \
    msfvenom mshta msiexec mstsc mtr mv mvn mysql mysqldump nano nawk nbtstat nc ncat neofetch net net1 netcat \
    netdom netsh netstat nft nl nltest nmap node nohup npm nproc npx nsenter nslookup od odbcconf openssl osascript \
    pacman passwd pathchk pathping pax pbcopy pcalua perl pgrep php pidof ping ping6 pip pip3 pkexec pkg pkill \
    pnputil podman popd poweroff powershell printenv printf procdump ps psexec psql ptx pushd pwd pwdx pwgen pwsh \
    python python2 python3 qprocess qwinsta rar rasdial rc rcp rd readarray readelf readlink readonly realpath \
    reboot reg regedit regsvcs regsvr32 ren rexec rg rlogin rlwrap rm rmdir rmmod robocopy rpm rsh rsync ruby runas \
    runcon rundll32 rustc sc schtasks scp scrcons screenfetch sdiff secedit sed seq setarch setcap setenv setfacl \
    setsid setspn setx sftp sh sha1sum sha256sum sha512sum shopt shred shutdown sleep smbclient socat sqlcmd sqlite3 \
    sqlmap srm ss ssh ssh-add ssh-agent ssh-keygen sshd sshpass stat strace stty su subst sudo sudoedit swapoff \
    swapon sysctl sysinfo systemctl systeminfo tac tailf takeown tar taskkill tasklist tclsh tcpdump tcsh tee telnet \
    terraform tftp timedatectl tmux tput tracepath traceroute tracerpt tracert truncate tshark tskill tty tzutil \
    ulimit umask umount unalias uname unexpand uniq unix2dos unlink unlzma unrar unset unshare unxz unzip uptime \
    useradd userdel usermod uuidgen vi vim visudo vmstat vssadmin wbadmin wc wevtutil wget whereis whoami whois \
    winrm winrs wmic wscript wsl wusa xargs xcopy xmllint xterm xxd xz yacc yum zcat zdump zfs zip zipinfo zless zsh \
    zypper ";

/// Words that are also words of prose: a command alone, or with what looks like a program's arguments behind it.
const AMBIGUOUS: &str = " \
    at batch bc bind break builtin c99 call caller case choice color column command compact compgen complete \
    continue convert copy cut dash date dnsdomainname edit end exit expand explorer export factor false fc fetch \
    file find free fsi function go groups hash head help history host if install join kill label last less let link \
    ln local log logger login look mail make man mapfile merge mode more mount move msg nice notepad open paste \
    patch path pause pr print prompt query read recover rename replace reset restart return rev rgrep route screen \
    script select service set shift snap sort source split start strings sum svn sync tail test then time timeout \
    title top touch tr trap tree true tsort type typeset ul units until users ver verify view vol w wait wall watch \
    where which while who write yes ";

/// The verbs of PowerShell's own commands (`Get-Verb`) that do something by themselves.
const VERBS: &str = " add clear compare convert copy debug disable enable enter exit export find get import install invoke \
    join measure mount move new open out push pop publish read receive register remove rename reset resolve restart \
    restore save search select send set split start stop submit suspend test trace uninstall update wait write ";

/// Whether a value is a command, as far as its first word tells.
pub(super) fn is_command(value: &str) -> bool {
    // The commonest argument of Git, which reads it in capitals only.
    if value == "HEAD" {
        return false;
    }
    let value: &str = &value.nfkc().collect::<String>();
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        return false;
    };
    let name = first.rsplit('/').next().unwrap_or(first).to_lowercase();
    let endings = [".exe", ".com", ".cmd", ".bat"];
    let name = endings
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    let listed = |list: &str, name: &str| list.contains(&format!(" {name} "));
    if is_cmdlet(first) {
        return true;
    }
    // A path to a file of some program's name is a path, unless arguments follow.
    if first.contains('/') && !value.contains(' ') {
        return is_program_folder(first);
    }
    if listed(COMMANDS, name) {
        return true;
    }
    if !listed(AMBIGUOUS, name) {
        return is_program_folder(first);
    }
    let mut rest = words.peekable();
    rest.peek().is_none() || rest.any(|word| looks_like_argument(word) || listed(COMMANDS, word))
}

/// `Get-Process`: a verb and a noun that begins with a capital.
fn is_cmdlet(word: &str) -> bool {
    word.split_once('-').is_some_and(|(verb, noun)| {
        VERBS.contains(&format!(" {} ", verb.to_lowercase()))
            && noun.starts_with(char::is_uppercase)
    })
}

/// Folders that hold programs and nothing else.
fn is_program_folder(word: &str) -> bool {
    let folder = word.rsplit_once('/').map_or("", |(folder, _)| folder);
    matches!(
        folder,
        "/bin"
            | "/sbin"
            | "/usr/bin"
            | "/usr/sbin"
            | "/usr/local/bin"
            | "/usr/local/sbin"
            | "/opt/bin"
    )
}

/// An option, a path, a number, an address.
fn looks_like_argument(word: &str) -> bool {
    word.starts_with(['-', '/', '+', '.'])
        || word.contains("://")
        || word.contains(['/', '@'])
        || word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
