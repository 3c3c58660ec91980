<?php
// Roundcube for the demo network: three domains to choose from, everything over TLS with the lab's certificates verified.
$config = [];
$config['db_dsnw'] = 'sqlite:////var/lib/webmail/roundcube.db?mode=0640';
$config['des_key'] = trim(file_get_contents('/var/lib/webmail/key'));
$config['product_name'] = 'posta';
$config['log_dir'] = '/tmp/roundcube';
$config['temp_dir'] = '/tmp/roundcube';
$config['enable_installer'] = false;
$config['plugins'] = ['archive', 'zipdownload'];
$config['skin'] = 'elastic';
$config['language'] = null;
$config['check_all_folders'] = true;
$config['refresh_interval'] = 60;
$config['min_refresh_interval'] = 5;

foreach (['norte', 'sur', 'este'] as $d) {
    $config['imap_host']["ssl://imap.$d.example:993"] = "$d.example";
    $config['smtp_host']["imap.$d.example"] = "ssl://smtp.$d.example:465";
    $config['username_domain']["imap.$d.example"] = "$d.example";
    $config['mail_domain']["imap.$d.example"] = "$d.example";
}
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';
$config['imap_conn_options'] = $config['smtp_conn_options'] =
    ['ssl' => ['verify_peer' => true, 'verify_peer_name' => true, 'cafile' => '/lab/public/ca.pem']];
